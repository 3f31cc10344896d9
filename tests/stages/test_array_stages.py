"""The stages ensemble, leaderboard, softlabels, calibrate and compare, one after the other in a
folder of their own.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json
from fer_core.dataset.manifest.table import write_manifest
from fer_core.dataset.pack.rows import Rows, read_rows, write_rows
from fer_core.evaluation.boards.leaderboard import read_leaderboard
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.comparison.report import read_comparison
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation, record_evaluation
from fer_core.logits.store import read_logits, write_logits
from fer_core.targets.softlabels import read_softlabels
from stages import calibrate, compare, ensemble, leaderboard, softlabels
from tests.arrange_logits import DEV, TEST, K, frame, logits_set, manifest_of
from tests.artifacts import reseal

PARAMS = """
seed: 1337
sets:
  everything: {}
  large: {min_side: 64}
  large_train: {split: [train], min_side: 64}
teachers: {tiny_resnet: {arch: resnet18}, tiny_effnet: {arch: efficientnet_b3}}
ensemble: {spaces: [prob, logit], step: 0.5, objective: nll}
student: {methods: [ce, kd], seeds: [1, 2]}
evaluation: {bootstrap: 100, bins: 15, compare_set: everything}
"""

HISTORY = "epoch,phase,train_loss,train_accuracy,val_accuracy,val_macro_f1,val_nll\n0,train,2,0.2,0.2,0.2,2\n1,train,1,0.3,0.3,0.3,1.5\n"


@pytest.fixture
def halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Rows, Rows]:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    for half, splits in (("dev", DEV), ("test", TEST)):
        write_rows(Path(f"data/pack/{half}/rows.parquet"), frame(splits))
    dev, test = read_rows(Path("data/pack/dev")), read_rows(Path("data/pack/test"))
    write_manifest(Path("data/manifest.parquet"), manifest_of(dev.frame, test.frame))
    for seed, tag in enumerate(("tiny_resnet", "tiny_effnet")):
        write_logits(
            Path(f"data/logits/{tag}/dev"),
            logits_set(dev, ("train", "val", "calib"), seed, model=tag, views=True, scale=6),
        )
        write_logits(
            Path(f"data/logits/{tag}/test"), logits_set(test, ("test",), seed, model=tag, scale=6)
        )
    return dev, test


def record(halves: tuple[Rows, Rows], key: str, kind: str, seed: int, skill: float) -> None:
    dev, test = halves
    network = Evaluation(
        key,
        kind,
        logits_set(dev, ("val", "calib"), seed, model=key, dtype="float32", skill=skill),
        logits_set(test, ("test",), seed, model=key, dtype="float32", skill=skill),
        {"everything": np.ones(len(test), dtype=bool)},
        {},
        {"optimiser_steps": 10},
    )
    record_evaluation(
        Path("data/evaluation") / key,
        network,
        dev,
        test,
        EvaluationOptions(bootstrap=100, bins=15, compare_set="everything"),
        1337,
    )


def test_teachers_are_fused_ranked_and_turned_into_targets(halves):
    dev, _ = halves
    ensemble.main()
    chosen = read_ensemble(Path("data/ensemble"))
    assert chosen.teachers == ("tiny_resnet", "tiny_effnet")
    assert len(pd.read_csv("data/ensemble/search.csv")) == 6

    leaderboard.main()
    assert {row["set"] for row in read_leaderboard(Path("data/leaderboard")).rows} == {
        "everything",
        "large",
    }

    softlabels.main()
    assert set(read_json(Path("data/softlabels/ensemble_metrics.json"))["splits"]) == {
        "train",
        "val",
        "calib",
    }
    targets = read_softlabels(Path("data/softlabels"), dev)
    assert targets.logits.shape == (60, K + 1, 7)
    logits = {
        tag: read_logits(Path(f"data/logits/{tag}/dev"), dev).views[:, 0] for tag in chosen.teachers
    }
    np.testing.assert_array_equal(targets.logits[:, 1], chosen.fused(logits).astype(np.float16))
    assert targets.teachers == ("tiny_resnet", "tiny_effnet")
    np.testing.assert_allclose(
        targets.of_teachers[:, 1, 1],
        logits["tiny_effnet"] / chosen.temperatures["tiny_effnet"],
        rtol=2e-3,
        atol=1e-4,
    )


def test_everything_that_can_be_asked_of_an_ensemble_reaches_the_leaderboard_and_leaves_soft_labels_global(
    halves,
):
    dev, _ = halves
    asked = "kinds: [global, per_class, per_source], fixed_temperatures: [1.2], folds: 3, search: smooth"
    text = PARAMS.replace("objective: nll}", f"objective: nll, {asked}}}")
    Path("params.yaml").write_text(text)
    for stage in (ensemble, leaderboard, softlabels):
        stage.main()
    chosen = read_ensemble(Path("data/ensemble"))
    assert set(chosen.cross_validation) == {"global", "per_class", "per_source"}
    entries = {row["entry"] for row in read_leaderboard(Path("data/leaderboard")).rows}
    assert entries >= {
        "per_class",
        "per_source",
        "ensemble T=1.2",
        "uniform T=1.2",
        "best_single T=1.2",
        "tiny_resnet T=1.2",
        "tiny_effnet T=1.2",
    }
    assert [row["set"] for row in read_leaderboard(Path("data/leaderboard")).oracles] == [
        "everything",
        "large",
    ]
    targets = read_softlabels(Path("data/softlabels"), dev)
    logits = {
        tag: read_logits(Path(f"data/logits/{tag}/dev"), dev).views[:, 0] for tag in chosen.teachers
    }
    np.testing.assert_array_equal(targets.logits[:, 1], chosen.fused(logits).astype(np.float16))


def test_the_stage_makes_targets_of_the_weights_that_params_name_and_of_votes(halves):
    dev, _ = halves
    asked = "kinds: [global, per_class], folds: 3"
    text = PARAMS.replace("objective: nll}", f"objective: nll, {asked}}}")
    Path("params.yaml").write_text(
        text + "targets: {weights: per_class, average: views, votes: 0.5}\n"
    )
    ensemble.main()
    with pytest.raises(DataError, match="Nobody voted"):
        softlabels.main()
    votes = np.random.default_rng(0).multinomial(10, [1 / 7] * 7, len(dev)).astype(np.float32)
    rows = Rows(dev.frame.assign(votes=list(votes)), dev.sha256)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.softlabels.read_rows", lambda folder: rows)
        softlabels.main()
    found = read_softlabels(Path("data/softlabels"), dev)
    assert (found.logits == found.logits[:, :1]).all()
    report = read_json(Path("data/softlabels/alignmentreport.json"))["ensemble"]
    assert report["targets"] == {"weights": "per_class", "average": "views", "votes": 0.5}


def test_weights_that_sum_to_0_stop_every_stage_that_fuses_and_leave_no_out(halves):
    ensemble.main()
    file = Path("data/ensemble/ensemble.json")
    text = file.read_text()
    for key, change in {
        "chosen.weights": lambda values: values["chosen"].update(
            weights={"tiny_resnet": 0.0, "tiny_effnet": 0.0}
        ),
        "best_single.weights": lambda values: values["best_single"].update(
            weights={"tiny_resnet": -1.0, "tiny_effnet": 2.0}
        ),
    }.items():
        values = json.loads(text)
        change(values)
        file.write_text(json.dumps(values))
        reseal(file.parent)
        for stage, out in ((leaderboard, "data/leaderboard"), (softlabels, "data/softlabels")):
            with pytest.raises(
                ArtifactError,
                match=rf"(?s)no fusion weights.*data/ensemble/ensemble\.json: {key}.*fer run",
            ):
                stage.main()
            assert not list(Path("data").glob(f"**/*{Path(out).name}*"))


def test_teachers_that_know_their_train_rows_by_heart_are_warned_of(halves, caplog):
    dev, _ = halves
    folder = Path("data/logits/tiny_effnet/dev")
    logits = read_logits(folder, dev)
    by_heart = (
        logits.views
        + np.float16(60) * np.eye(7, dtype=np.float16)[dev.labels[dev.split("train")]][:, None]
    )
    write_logits(folder, dataclasses.replace(logits, views=by_heart))
    ensemble.main()
    softlabels.main()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("tiny_effnet has learnt train rows by heart" in text for text in warned)
    table = read_json(Path("data/softlabels/ensemble_metrics.json"))["memorisation"]
    assert [row["model"] for row in table] == ["tiny_resnet", "tiny_effnet", "ensemble"]
    assert table[1]["train_to_calib"] < 0.5 < table[0]["train_to_calib"]


def test_rows_of_one_picture_widen_the_intervals_of_the_leaderboard(halves):
    ensemble.main()
    leaderboard.main()
    apart = read_leaderboard(Path("data/leaderboard")).rows
    dev, test = halves
    once = dict(zip(test.sample_ids[1::2], test.sample_ids[::2], strict=True))
    write_manifest(
        Path("data/manifest.parquet"), manifest_of(dev.frame, test.frame, duplicate_of=once)
    )
    leaderboard.main()
    together = read_leaderboard(Path("data/leaderboard")).rows
    for one, other in zip(apart, together, strict=True):
        before, after = one["metrics"]["nll"], other["metrics"]["nll"]
        assert before["value"] == after["value"]
        if one["set"] == "everything":
            assert before != after
    write_manifest(Path("data/manifest.parquet"), manifest_of(dev.frame.iloc[:5]))
    with pytest.raises(ArtifactError, match="does not hold a row"):
        leaderboard.main()


def test_a_rerun_gives_the_same_bytes(halves):
    for stage in (ensemble, leaderboard, softlabels):
        stage.main()
    outs = [
        file
        for name in ("ensemble", "leaderboard", "softlabels")
        for file in Path("data", name).iterdir()
    ]
    before = {file: file.read_bytes() for file in outs}
    for stage in (ensemble, leaderboard, softlabels):
        stage.main()
    assert {file: file.read_bytes() for file in outs} == before


def test_networks_are_calibrated_and_methods_compared(halves):
    for seed in (1, 2):
        record(halves, f"ce-{seed}", "student", seed, skill=0.9)
        record(halves, f"kd-{seed}", "student", seed, skill=1.5)
    for seed, tag in enumerate(("tiny_resnet", "tiny_effnet")):
        record(halves, tag, "teacher", seed, skill=1.5)
    for seed in (1, 2):
        for method in ("ce", "kd"):
            Path(f"data/students/{method}-{seed}/record").mkdir(parents=True)
            Path(f"data/students/{method}-{seed}/record/history.csv").write_text(HISTORY)
    for key in ("ce-1", "ce-2", "kd-1", "kd-2", "tiny_resnet", "tiny_effnet"):
        calibrate.main(key)
    assert read_calibration(Path("data/calibration/kd-2"), "weights of kd-2").n == 280
    compare.main()
    found = read_comparison(Path("data/comparison"))
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("kd", "ce")]
    assert "kd has a higher macro-F1 than ce" in found["pairs"][0]["verdict"]
    assert (
        "still rose when training ended: ce (+0.100), kd (+0.100)" in found["pairs"][0]["verdict"]
    )
    assert "is not recorded" in found["pairs"][0]["verdict"]
    Path("params.yaml").write_text(
        PARAMS.replace("seeds: [1, 2]", "seeds: [1, 2], trials: {ce: 3, kd: 2}")
    )
    compare.main()
    assert (
        "Settings tried on val rows: 2 of kd, 3 of ce."
        in read_comparison(Path("data/comparison"))["pairs"][0]["verdict"]
    )
    scaled = read_json(Path("data/calibration/tiny_resnet/reliabilitymetrics.json"))["everything"][
        "temperature_scaled"
    ]["metrics"]
    assert found["runs"][4]["scaled"] == scaled
    assert [run["key"] for run in found["runs"]] == [
        "ce-1",
        "ce-2",
        "kd-1",
        "kd-2",
        "tiny_resnet",
        "tiny_effnet",
    ]


def test_logits_of_a_newer_teacher_leave_no_soft_labels(halves):
    ensemble.main()
    dev, _ = halves
    folder = Path("data/logits/tiny_effnet/dev")
    write_logits(folder, dataclasses.replace(read_logits(folder, dev), model_sha256="newer"))
    with pytest.raises(ArtifactError, match="other teachers"):
        softlabels.main()
    assert not Path("data/softlabels").exists()


def test_these_stages_do_not_import_torch():
    modules = ["ensemble", "leaderboard", "softlabels", "evaluate", "calibrate", "compare"]
    code = (
        f"import sys, importlib\nfor name in {modules}: importlib.import_module('stages.' + name)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]
        ).returncode
        == 0
    )
