import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from fer_core.base.absent import declare_absent
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.labels import INDEX
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.calibration.calibrators import PerSource, Temperature
from fer_core.evaluation.calibration.choice import (
    CalibrationChoice,
    CalibRows,
    choose_calibrator,
)
from fer_core.evaluation.calibration.report import calibrate, read_calibration, write_calibration
from fer_core.evaluation.metrics.metrics import METRICS, softmax
from fer_core.evaluation.metrics.options import (
    METHODS,
    CalibrationOptions,
    Carry,
    EvaluationOptions,
    Method,
)
from fer_core.evaluation.metrics.record import Evaluation, evaluate_logits
from tests.arrange_logits import DEV, TEST, frame, logits_set
from tests.artifacts import reseal

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
COLUMNS = ("sample_id", "source", "group")
KEYS = ("raw", "temperature_scaled", "bias_corrected", "vector", "per_source")


def two_sources(splits: dict[str, int], sha256: str) -> Rows:
    """Every second row of expw, the others of rafdb."""
    table = frame(splits)
    table["source"] = np.where(np.arange(len(table)) % 2, "rafdb", "expw")
    table["sample_id"] = table["group"] = (
        table["source"] + "/" + table["sample_id"].str.split("/").str[1]
    )
    return Rows(table, sha256)


DEV_ROWS, TEST_ROWS = two_sources(DEV, "d" * 64), two_sources(TEST, "t" * 64)


def evaluation(
    test_seed: int = 2, dev_rows: Rows = DEV_ROWS, test_rows: Rows = TEST_ROWS
) -> Evaluation:
    dev = logits_set(dev_rows, ("val", "calib"), 1, scale=5)
    test = logits_set(test_rows, ("test",), test_seed, scale=5)
    return Evaluation(
        "kd-1", "student", dev, test, {"everything": np.ones(len(test), dtype=bool)}, {}, {}
    )


def test_what_is_fitted_and_chosen_depends_on_calib_rows_only():
    one, other = (
        calibrate(evaluation(2), DEV_ROWS, OPTIONS, 1),
        calibrate(evaluation(3), DEV_ROWS, OPTIONS, 1),
    )
    assert one.calibration == other.calibration
    assert one.metrics["everything"] != other.metrics["everything"]
    assert one.calibration.n == 280
    assert one.calibration.temperature == pytest.approx(5, rel=0.3)
    assert one.calibration.nll_after < one.calibration.nll_before
    assert tuple(one.calibration.choice.methods) == METHODS
    assert set(one.calibration.choice.methods["per_source"].calibrator.temperatures) == {
        "expw",
        "rafdb",
    }  # type: ignore[union-attr]


def test_report_covers_val_and_test_sets_without_and_with_each_method_but_not_calib():
    report = calibrate(evaluation(), DEV_ROWS, OPTIONS, 1)
    assert list(report.metrics) == ["val", "everything"]
    found = report.metrics["everything"]
    assert list(found) == ["rows", *KEYS, "ece_floor"]
    for key in KEYS:
        assert list(found[key]["metrics"]) == list(METRICS)
        assert all(
            0 < found[key]["floor"][name]["mean"] < found[key]["floor"][name]["p95"]
            for name in ("ece", "ece_equal_mass", "classwise_ece")
        )
    for name in ("nll", "ece", "brier", "classwise_ece"):
        for key in KEYS[1:]:
            assert found[key]["metrics"][name]["value"] < found["raw"]["metrics"][name]["value"]
    for name in ("accuracy", "macro_f1"):
        assert (
            found["temperature_scaled"]["metrics"][name]
            == found["raw"]["metrics"][name]
            == found["per_source"]["metrics"][name]
        )
    assert (
        found["ece_floor"]
        == found["temperature_scaled"]["floor"]["ece"]
        != found["raw"]["floor"]["ece"]
    )
    counts = report.reliability.groupby(["set", "stage"])["count"].sum().to_dict()
    stages = ("raw", "scaled", *KEYS[2:])
    assert counts == {
        (name, stage): rows for name, rows in (("val", 70), ("everything", 210)) for stage in stages
    }


def test_raw_metrics_are_those_of_the_evaluation():
    known = evaluation()
    found = calibrate(known, DEV_ROWS, OPTIONS, 1).metrics["everything"]["raw"]
    assert (
        found["metrics"]
        == evaluate_logits(known.test.eval, known.test.labels, OPTIONS, 1)["metrics"]
    )


def test_metrics_of_every_method_are_those_of_its_calibrated_logits(tmp_path: Path):
    known = evaluation()
    write_calibration(tmp_path / "a" / "kd-1", calibrate(known, DEV_ROWS, OPTIONS, 1))
    calibration = read_calibration(tmp_path / "a" / "kd-1", "weights of rn18")
    measured = read_json(tmp_path / "a" / "kd-1" / "reliabilitymetrics.json")["everything"]
    sources = TEST_ROWS.frame["source"].tolist()
    labels = known.test.labels.astype(int)
    for method, key in zip(METHODS, KEYS[1:], strict=True):
        logits = calibration.apply(known.test.eval, sources, method)
        p, found = softmax(logits), measured[key]["metrics"]
        ece = multiclass_calibration_error(
            torch.tensor(p), torch.tensor(labels), 7, n_bins=15, norm="l1"
        )
        assert found["accuracy"]["value"] == pytest.approx(
            accuracy_score(labels, logits.argmax(1)), abs=1e-6
        )
        assert found["nll"]["value"] == pytest.approx(log_loss(labels, p), abs=1e-6)
        assert found["brier"]["value"] == pytest.approx(
            brier_score_loss(labels, p, scale_by_half=False), abs=1e-6
        )
        assert found["ece"]["value"] == pytest.approx(float(ece), abs=1e-6)
    np.testing.assert_array_equal(
        calibration.apply(known.test.eval, sources),
        calibration.apply(known.test.eval, sources, calibration.choice.chosen),
    )


def test_groups_come_from_the_dev_rows():
    photos = DEV_ROWS.frame.assign(group=[f"photo{i // 4}" for i in range(len(DEV_ROWS))])
    known = evaluation()
    found = calibrate(known, Rows(photos, DEV_ROWS.sha256), OPTIONS, 1).calibration.choice
    calib = photos[photos["split"] == "calib"]
    logits = known.dev.only("calib").eval
    expected = choose_calibrator(
        CalibRows(logits, calib["label"].to_numpy(), *(calib[name].tolist() for name in COLUMNS)),
        OPTIONS.calibration,
    )
    assert found == expected
    assert found != calibrate(known, DEV_ROWS, OPTIONS, 1).calibration.choice


@pytest.mark.parametrize(
    ("chosen", "carry", "carries"),
    [
        ("temperature", "chosen", "temperature"),
        ("bias_corrected", "chosen", "bias_corrected"),
        ("vector", "chosen", "vector"),
        ("per_source", "chosen", "temperature"),
        ("vector", "temperature", "temperature"),
        ("per_source", "temperature", "temperature"),
    ],
)
def test_a_file_carries_what_is_chosen_unless_it_cannot_or_is_held(
    chosen: Method, carry: Carry, carries: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def choose(rows: CalibRows, options: CalibrationOptions) -> CalibrationChoice:
        return replace(choose_calibrator(rows, options), chosen=chosen)

    monkeypatch.setattr("fer_core.evaluation.calibration.report.choose_calibrator", choose)
    known = evaluation()
    report = calibrate(known, DEV_ROWS, OPTIONS, 1, carry)
    write_calibration(tmp_path / "kd-1", report)
    found = read_calibration(tmp_path / "kd-1", "weights of rn18")
    assert (found.choice.chosen, found.carries, found.carried.method) == (chosen, carries, carries)
    measured = report.metrics["everything"][found.measured_as]["metrics"]
    calibrated = found.carried.apply(known.test.eval)
    assert (
        measured["accuracy"]["value"]
        == evaluate_logits(calibrated, known.test.labels, OPTIONS, 1)["metrics"]["accuracy"][
            "value"
        ]
    )


def test_other_dev_rows_are_refused():
    with pytest.raises(ArtifactError, match="other rows"):
        calibrate(evaluation(), Rows(DEV_ROWS.frame, "x" * 64), OPTIONS, 1)


def test_written_calibration_is_read_with_the_same_bytes(tmp_path: Path):
    report = calibrate(evaluation(), DEV_ROWS, OPTIONS, 1)
    for name in "ab":
        write_calibration(tmp_path / name / "kd-1", report)
    assert read_calibration(tmp_path / "a" / "kd-1", "weights of rn18") == report.calibration
    written = read_json(tmp_path / "a" / "kd-1" / "calibration.json")
    assert (written["fitted_on"], written["folds"], tuple(written["methods"])) == (
        "calib",
        5,
        METHODS,
    )
    assert written["methods"]["temperature"]["parameters"] == {
        "temperature": written["temperature"]
    }
    assert set(read_json(tmp_path / "a" / "kd-1" / "reliabilitymetrics.json")["val"]) == {
        "rows",
        *KEYS,
        "ece_floor",
    }
    assert list(pd.read_csv(tmp_path / "a" / "kd-1" / "reliability.csv")) == [
        "set",
        "stage",
        "bin",
        "confidence",
        "accuracy",
        "count",
    ]
    for file in (tmp_path / "a" / "kd-1").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / "kd-1" / file.name).read_bytes()


def test_a_network_of_one_source_says_why_it_has_no_temperature_by_source(tmp_path: Path):
    table = DEV_ROWS.frame.assign(
        sample_id="rafdb/" + DEV_ROWS.frame["sample_id"].str.split("/").str[1], source="rafdb"
    )
    rows = Rows(table, DEV_ROWS.sha256)
    write_calibration(
        tmp_path / "a" / "kd-1", calibrate(evaluation(dev_rows=rows), rows, OPTIONS, 1)
    )
    found = read_calibration(tmp_path / "a" / "kd-1", "weights of rn18")
    assert isinstance(found.choice.methods["temperature"].calibrator, Temperature)
    with pytest.raises(ArtifactError, match="several sources"):
        found.apply(np.zeros((2, 7)), ["rafdb", "rafdb"], "per_source")


def test_sources_reach_the_temperatures_by_source():
    found = calibrate(evaluation(), DEV_ROWS, OPTIONS, 1).calibration
    by_source = found.choice.methods["per_source"].calibrator
    assert isinstance(by_source, PerSource)
    logits = np.ones((2, 7)) * np.arange(7)
    calibrated = found.apply(logits, ["expw", "webcam"], "per_source")
    np.testing.assert_allclose(calibrated[0], logits[0] / by_source.temperatures["expw"])
    np.testing.assert_allclose(calibrated[1], logits[1] / found.temperature)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fitted_on": "test"}, "no calibration"),
        ({"temperature": 1.0}, "no calibration"),
        ({"chosen": "beta"}, "no calibration"),
        ({"carried": "per_source"}, "no calibration"),
        (
            {
                "methods": {
                    "beta": {
                        "parameters": {},
                        **dict.fromkeys(
                            ("nll", "cv_nll", "cv_nll_se", "cv_excess", "cv_excess_se"), 1.0
                        ),
                    }
                }
            },
            "beta",
        ),
        ({"methods": {"temperature": {"parameters": {"temperature": 5.0}}}}, "nll"),
        ({"methods": {}}, "temperature"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_this_models_calibration_is_refused(tmp_path: Path, change, says):
    write_calibration(tmp_path / "a" / "kd-1", calibrate(evaluation(), DEV_ROWS, OPTIONS, 1))
    file = tmp_path / "a" / "kd-1" / "calibration.json"
    write_json(file, read_json(file) | change)
    reseal(file.parent)
    with pytest.raises(ArtifactError, match=says):
        read_calibration(tmp_path / "a" / "kd-1", "weights of rn18")


def test_calibration_of_another_model_or_version_is_refused(tmp_path: Path):
    folder = tmp_path / "kd-1"
    write_calibration(folder, calibrate(evaluation(), DEV_ROWS, OPTIONS, 1))
    with pytest.raises(ArtifactError, match="other weights"):
        read_calibration(folder, "other")
    reseal(folder, kind="calibration/1")
    with pytest.raises(ArtifactError, match="another kind or version"):
        read_calibration(folder, "weights of rn18")
    reseal(folder, kind="calibration/4", key="kd-2")
    with pytest.raises(ArtifactError, match="is another's"):
        read_calibration(folder, "weights of rn18")


@pytest.mark.parametrize(
    "gone", ["temperature", "chosen", "carried", "folds", "methods", "refused", "n"]
)
def test_missing_key_is_named(tmp_path: Path, gone: str):
    write_calibration(tmp_path / "a" / "kd-1", calibrate(evaluation(), DEV_ROWS, OPTIONS, 1))
    file = tmp_path / "a" / "kd-1" / "calibration.json"
    write_json(file, {name: value for name, value in read_json(file).items() if name != gone})
    reseal(file.parent)
    with pytest.raises(ArtifactError, match=f"expected: {gone}"):
        read_calibration(tmp_path / "a" / "kd-1", "weights of rn18")


def test_three_thousand_calib_and_test_rows_take_seconds():
    dev, test = (
        two_sources({"val": 70, "calib": 3000}, "d" * 64),
        two_sources({"test": 3000}, "t" * 64),
    )
    known, options = (
        evaluation(dev_rows=dev, test_rows=test),
        EvaluationOptions(bootstrap=400, bins=15, compare_set="everything"),
    )
    start = time.process_time()
    calibrate(known, dev, options, 1)
    assert time.process_time() - start < 5  # about 1 on an idle core


def test_what_is_said_of_a_file_is_measured_behind_the_mask_of_absent_classes():
    """The file never answers an absent class, so neither do the numbers that stand for it; what is
    said of the network as it is knows no mask.
    """
    known = evaluation()
    declare_absent({"labels": {"absent": ["Fear"]}})
    try:
        found = calibrate(known, DEV_ROWS, OPTIONS, 1)
        as_file = found.calibration.file_logits(known.test.eval)
    finally:
        declare_absent({})
    p = softmax(as_file)
    assert not p[:, INDEX["Fear"]].any()
    others = np.delete(softmax(found.calibration.carried.apply(known.test.eval)), 2, axis=1)
    others /= others.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.delete(p, 2, axis=1), others, atol=1e-12)
    measured, labels = found.metrics["everything"], known.test.labels.astype(int)
    of_file = measured[found.calibration.measured_as]["metrics"]["accuracy"]["value"]
    assert of_file == pytest.approx(accuracy_score(labels, p.argmax(1)), abs=1e-6)
    plain = measured["raw"]["metrics"]["accuracy"]["value"]
    assert plain == pytest.approx(accuracy_score(labels, known.test.eval.argmax(1)), abs=1e-6)
    assert plain > of_file, "test rows do have the class here"
