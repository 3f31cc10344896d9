"""Fabricated projects, and what is said about their settings, data, params.yaml and dvc.yaml."""

import shutil
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import pytest

from fer_cli.doctor.finding import Finding, Level, guarded
from fer_cli.doctor.project import (
    check_dag,
    check_data,
    check_params_file,
    check_settings,
    readable_descriptors,
)
from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor
from tests.sources.trees import rafdb

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("FER_RAW", "FER_DEVICE", "FER_THREADS", "FER_WEIGHTS", "FER_RUNS", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def told(findings: Iterable[Finding], level: Level) -> list[str]:
    return [f"{finding.text} -> {finding.remedy}" for finding in findings if finding.level == level]


def test_settings_are_shown(project: Path) -> None:
    (project / "fer.local.toml").write_text('raw = "/data/raw"\nthreads = 3\n')
    (finding,) = check_settings({"FER_THREADS": "3", "FER_TEST_ANYTHING": "x", "OTHER": "y"})
    assert (
        finding.level == Level.OK
        and "raw /data/raw" in finding.text
        and "threads 3" in finding.text
    )


def test_unknown_key_of_the_settings_fails_and_an_unknown_variable_is_told(project: Path) -> None:
    (finding,) = told(check_settings({"FER_RWA": "x"}), Level.WARN)
    assert "FER_RWA" in finding and "FER_RAW" in finding
    (project / "fer.local.toml").write_text('rwa = "x"\n')
    (finding,) = told(guarded("settings", lambda: check_settings({})), Level.FAIL)
    assert "Unknown setting" in finding and "fer.local.toml: rwa" in finding


def test_missing_folder_of_weights_fails(project: Path) -> None:
    (project / "fer.local.toml").write_text('weights = "w"\n')
    assert "folder or file of weights is missing" in told(check_settings({}), Level.FAIL)[0]
    (project / "w").mkdir()
    assert not told(check_settings({}), Level.FAIL)


def raf(project: Path) -> Descriptor:
    rafdb(project / "raw/raf", ["train_00001.jpg 1"])
    return scanned(
        Descriptor("rafdb_basic", "rafdb_basic", False), project / "raw", "rafdb_basic", "raf"
    )


def test_present_data_sets_must_lie_as_they_were_added(project: Path) -> None:
    sets = [
        raf(project),
        Descriptor("expw", "expw", False),
        Descriptor("sample_expw", "expw", True, sample={"seed": 1}),
    ]
    listed = ["rafdb_basic", "sample_expw"]
    findings = list(check_data(sets, project / "raw", listed))
    assert {finding.level for finding in findings} == {Level.OK}
    assert (
        "rafdb_basic, unchanged" in findings[0].text
        and findings[-1].text == "3 known, 2 listed, 1 embedded, 1 absent"
    )
    rafdb(project / "raw/raf", ["train_00001.jpg 1", "train_00002.jpg 1"])
    assert "no longer those" in told(check_data(sets, project / "raw", listed), Level.FAIL)[0]
    shutil.rmtree(project / "raw")
    (finding,) = told(check_data(sets, project / "raw", listed), Level.FAIL)
    assert "not on this machine" in finding and "FER_RAW" in finding
    (finding,) = told(
        check_data(sets, project / "raw", ["sample_expw"]), Level.WARN
    )  # nothing reads it
    assert "rafdb_basic: " in finding


def test_listed_data_sets_must_be_there(project: Path) -> None:
    found = told(
        check_data([Descriptor("expw", "expw", False)], project / "raw", ["expw", "expww"]),
        Level.FAIL,
    )
    assert [text.split(" -> ")[0] for text in found] == [
        "expw is listed in manifest.sources and is absent",
        "expww is listed in manifest.sources and has no descriptor",
    ]


def test_faulty_descriptors_are_named_and_the_others_still_read(project: Path) -> None:
    write_descriptor(project / "data/sources", Descriptor("expw", "expw", False))
    (project / "data/sources/own.json").write_text(
        '{"name": "own", "layout": "imagenet", "present": false}'
    )
    (project / "data/sources/torn.json").write_text("{")
    good, faulty = readable_descriptors(project / "data/sources")
    assert [descriptor.name for descriptor in good] == ["expw"]
    assert ["imagenet" in faulty[0].text, "torn.json" in faulty[1].text] == [True, True]
    assert {finding.level for finding in faulty} == {Level.FAIL}


def test_params_with_an_unknown_key_or_a_wrong_value_fail(project: Path) -> None:
    shutil.copy(ROOT / "profiles" / "sample.yaml", project / "params.yaml")
    params = read_params(project / "params.yaml")
    assert [finding.level for finding in check_params_file(params, Path("params.yaml"))] == [
        Level.OK
    ]
    params["student"]["trials"] = {"ce": 4}
    assert [finding.level for finding in check_params_file(params, Path("params.yaml"))] == [
        Level.OK
    ]
    params["student"]["trials"] = {"ce": "many"}
    (finding,) = told(
        guarded("params.yaml", lambda: check_params_file(params, Path("params.yaml"))), Level.FAIL
    )
    assert "student.trials.ce" in finding
    del params["student"]["trials"]
    params["ensemble"]["weightings"] = {"old": {"space": "logit", "weights": {"vgg": 1}}}
    (finding,) = told(
        guarded("params.yaml", lambda: check_params_file(params, Path("params.yaml"))), Level.FAIL
    )
    assert "ensemble.weightings.old" in finding and "vgg" in finding
    del params["ensemble"]["weightings"]
    faulty = deepcopy(params)
    faulty["evaluation"]["boostrap"] = 10
    (finding,) = told(
        guarded("params.yaml", lambda: check_params_file(faulty, Path("params.yaml"))), Level.FAIL
    )
    assert "evaluation.boostrap" in finding
    text = (ROOT / "profiles" / "sample.yaml").read_text()
    assert "temperature: 2.0" in text
    (project / "params.yaml").write_text(text.replace("temperature: 2.0", "temperature: hot", 1))
    (finding,) = told(
        check_params_file(read_params(), Path("params.yaml")), Level.FAIL
    )  # an option of a method
    assert "temperature" in finding and "hot" in finding


def test_stale_dvc_yaml_fails(project: Path) -> None:
    params = read_params(ROOT / "profiles" / "sample.yaml")
    text = synced((ROOT / "dvc.yaml").read_text(), params, ROOT)
    (project / "dvc.yaml").write_text(text)
    assert [finding.level for finding in check_dag(params, project / "dvc.yaml", ROOT)] == [
        Level.OK
    ]
    params["student"]["seeds"] = [1337, 42]
    assert told(check_dag(params, project / "dvc.yaml", ROOT), Level.FAIL) == [
        "not in step with params.yaml or the code -> `fer dag sync`"
    ]
    (finding,) = told(
        guarded("dvc.yaml", lambda: check_dag(params, project / "none.yaml", ROOT)), Level.FAIL
    )
    assert "none.yaml" in finding
