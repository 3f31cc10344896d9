"""`fer compare`: exit status follows the gates, names and folders both work, and what is unknown is
named.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fer_cli.main import app
from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, record_evaluation
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)


def record(folder: Path, key: str, skill: float) -> None:
    network = Evaluation(
        key,
        "student",
        logits_set(DEV_ROWS, ("train", "val", "calib"), 1, model=key, dtype="float32"),
        logits_set(TEST_ROWS, ("test",), 2, model=key, dtype="float32", skill=skill),
        {"everything": np.ones(210, dtype=bool), "first": np.arange(210) < 70},
        {},
        {},
    )
    record_evaluation(folder / key, network, DEV_ROWS, TEST_ROWS, OPTIONS, 1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for key, skill in (("good", 2.5), ("bad", 0.5)):
        record(root / "data/evaluation", key, skill)
    record(root / "elsewhere", "third", 2.0)
    (root / "params.yaml").write_text(
        f"seed: 1\nevaluation: {json.dumps(OPTIONS.model_dump(mode='json'))}\n"
    )
    return root


@pytest.fixture(autouse=True)
def project(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recorded)


def fer(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["compare", *arguments])


def test_better_model_passes_and_worse_one_fails():
    passed = fer("good", "bad")
    assert passed.exit_code == 0
    assert "PASS  gate regression" in passed.output
    assert "ok    everything: macro-F1 falls by at most 0.01: macro_f1 +" in passed.output
    failed = fer("bad", "good", "--set", "first")
    assert failed.exit_code == 1
    assert "FAIL  gate regression" in failed.output
    assert "everything" not in failed.output


def test_every_gate_named_must_pass():
    assert fer("good", "good", "--gate", "nl").exit_code == 0
    both = fer("good", "good", "--gate", "nl", "--gate", "target")
    assert both.exit_code == 1
    assert "PASS  gate nl" in both.output
    assert "FAIL  gate target" in both.output


def test_nll_and_ece_are_calibrated_ones_unless_raw_ones_are_asked_for():
    scaled, raw = (
        fer("elsewhere/third", "bad", "--json"),
        fer("elsewhere/third", "bad", "--json", "--raw"),
    )
    scaled_values, raw_values = json.loads(scaled.stdout), json.loads(raw.stdout)
    assert raw_values["temperatures"] == [1, 1] and scaled_values["temperatures"] != [1, 1]
    assert raw_values["sets"][0]["baseline"]["nll"] != scaled_values["sets"][0]["baseline"]["nll"]
    assert (
        raw_values["sets"][0]["baseline"]["macro_f1"]
        == scaled_values["sets"][0]["baseline"]["macro_f1"]
    )
    assert "after temperature scaling (T = " in fer("good", "bad").output
    assert "of raw logits" in fer("good", "bad", "--raw").output


def test_json_holds_the_numbers_and_a_folder_may_stand_for_a_name():
    result = fer("elsewhere/third", "bad", "--json", "--gate", "target")
    values = json.loads(result.stdout)
    assert [one["name"] for one in values["sets"]] == ["everything", "first"]
    assert values["sets"][0]["difference"]["macro_f1"]["low"] > 0
    assert values["gates"][0]["passed"] is (result.exit_code == 0)


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(
        ArtifactError, match=r"no evaluation of this name(.|\n)*kd-7(.|\n)*bad, good"
    ):
        CliRunner().invoke(app, ["compare", "kd-7", "good"], catch_exceptions=False)


def test_two_releases_have_no_rows_to_be_compared_on() -> None:
    for name in ("one", "other"):
        Path("models", name).mkdir(parents=True, exist_ok=True)
        Path("models", name, "provenance.json").write_text("{}")
    done = CliRunner().invoke(app, ["compare", "models/one", "models/other"])
    assert isinstance(done.exception, ArtifactError)
    assert "Both are releases" in str(done.exception)
