from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.errors import ArtifactError
from fer_core.evaluation.calibration_report import calibrate, read_calibration, write_calibration
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import Evaluation
from fer_core.files import read_json, write_json
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)


def evaluation(test_seed: int = 2) -> Evaluation:
    dev = logits_set(DEV_ROWS, ("val", "calib"), 1, scale=5)
    test = logits_set(TEST_ROWS, ("test",), test_seed, scale=5)
    return Evaluation("kd-1", "student", dev, test, {"everything": np.ones(210, dtype=bool)}, {}, {})


def test_temperature_depends_on_calib_rows_only():
    one, other = calibrate(evaluation(2), OPTIONS, 1), calibrate(evaluation(3), OPTIONS, 1)
    assert one.calibration == other.calibration
    assert one.metrics["everything"] != other.metrics["everything"]
    assert one.calibration.n == 280
    assert one.calibration.temperature == pytest.approx(5, rel=0.3)
    assert one.calibration.nll_after < one.calibration.nll_before


def test_report_covers_val_and_test_sets_before_and_after_but_not_calib():
    report = calibrate(evaluation(), OPTIONS, 1)
    assert list(report.metrics) == ["val", "everything"]
    found = report.metrics["everything"]
    for name in ("nll", "ece", "brier"):
        assert found["temperature_scaled"]["metrics"][name]["value"] < found["raw"]["metrics"][name]["value"]
    for name in ("accuracy", "macro_f1"):
        assert found["temperature_scaled"]["metrics"][name] == found["raw"]["metrics"][name]
    assert 0 < found["ece_floor"]["mean"] < found["ece_floor"]["p95"]
    counts = report.reliability.groupby(["set", "stage"])["count"].sum().to_dict()
    assert counts == {("val", "raw"): 70, ("val", "scaled"): 70, ("everything", "raw"): 210, ("everything", "scaled"): 210}


def test_written_calibration_is_read_with_the_same_bytes(tmp_path: Path):
    report = calibrate(evaluation(), OPTIONS, 1)
    for name in "ab":
        write_calibration(tmp_path / name, report)
    assert read_calibration(tmp_path / "a", "weights of rn18") == report.calibration
    assert read_json(tmp_path / "a" / "calibration.json")["fitted_on"] == "calib"
    assert set(read_json(tmp_path / "a" / "reliabilitymetrics.json")["val"]) == {"rows", "raw", "temperature_scaled", "ece_floor"}
    assert list(pd.read_csv(tmp_path / "a" / "reliability.csv")) == ["set", "stage", "bin", "confidence", "accuracy", "count"]
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize("change", [{"schema": 9}, {"fitted_on": "test"}, {"temperature": 0}, {"model_sha256": "other"}])
def test_what_is_not_this_models_calibration_is_refused(tmp_path: Path, change):
    write_calibration(tmp_path / "a", calibrate(evaluation(), OPTIONS, 1))
    file = tmp_path / "a" / "calibration.json"
    write_json(file, read_json(file) | change)
    with pytest.raises(ArtifactError):
        read_calibration(tmp_path / "a", "weights of rn18")


def test_missing_key_is_named(tmp_path: Path):
    write_calibration(tmp_path / "a", calibrate(evaluation(), OPTIONS, 1))
    file = tmp_path / "a" / "calibration.json"
    write_json(file, {name: value for name, value in read_json(file).items() if name != "temperature"})
    with pytest.raises(ArtifactError, match="temperature"):
        read_calibration(tmp_path / "a", "weights of rn18")
