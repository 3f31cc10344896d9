"""The stages onnx and latency, one after the other in a folder of their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.deploy.latency import read_latency
from fer_core.deploy.parity import GATES, read_parity
from fer_core.deploy.predictor import Predictor
from fer_core.deploy.report import read_export_report
from fer_core.errors import ArtifactError, ModelError
from fer_core.evaluation.calibration_report import Calibration, CalibrationReport, write_calibration
from fer_core.evaluation.calibrator_choice import CalibrationChoice, FittedMethod
from fer_core.evaluation.calibrators import Temperature
from stages import latency, onnx
from tests.deploy.conftest import ARCH, TEMPERATURE, save_tiny, write_test_pack

PARAMS = """
deploy: {student: kd-1, opset: 18, precisions: [fp32, fp16], licence: for tests}
latency: {rounds: 1, calls: 2, batches: [1], threads: [1]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calibration:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FER_THREADS", "1")
    Path("params.yaml").write_text(PARAMS)
    card = save_tiny(Path("data/students/kd-1/model"))
    pack = write_test_pack(Path("data/pack/test"), 28)
    choice = CalibrationChoice("temperature", 5, {"temperature": FittedMethod(Temperature(TEMPERATURE), 1.9, 1.9, 0.1, 0.0, 0.0)}, {})
    calibration = Calibration("kd-1", TEMPERATURE, 28, 2.0, 1.9, pack.rows.sha256, card.weights_sha256, choice)
    write_calibration(Path("data/calibration/kd-1"), CalibrationReport(calibration, {}, pd.DataFrame()))
    return calibration


def test_student_is_exported_proved_and_timed(project: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx.main()
    names = {path.name for path in Path("data/onnx").iterdir()}
    assert names == {"student.fp32.onnx", "student.fp16.onnx", "onnxexportreport.json", "onnxparity.json"}
    parity = read_parity(Path("data/onnx/onnxparity.json"))
    assert parity["rows_used"] == parity["rows_expected"] == 28 and all(record["pass"] for record in parity["precisions"].values())
    for record in read_export_report(Path("data/onnx/onnxexportreport.json")):
        metadata = Predictor(Path("data/onnx") / record["file"]).metadata
        assert (metadata.temperature, metadata.source_model_sha256) == (TEMPERATURE, project.model_sha256)
        assert record["checkpoint_hash"] == project.model_sha256 and record["paritycheck"]["pass"]

    monkeypatch.setattr("fer_core.deploy.latency.REFERENCE", ARCH)  # the true one takes ten times as long to export
    latency.main()
    table = read_latency(Path("metrics/latencybenchmarks.csv"))
    assert set(zip(table["model"], table["precision"], strict=True)) == {("reference", "fp32"), ("kd-1", "fp32"), ("kd-1", "fp16")}
    assert np.isfinite(table["ratio_to_reference"]).all()


def test_file_that_breaks_its_gate_leaves_no_out(project: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GATES, "fp16", replace(GATES["fp16"], relative=1e-9))
    with pytest.raises(ModelError, match=r"student\.fp16\.onnx"):
        onnx.main()
    assert not Path("data/onnx").exists()


def test_temperature_of_other_weights_is_refused(project: Calibration) -> None:
    other = replace(project, model_sha256="0" * 64)
    write_calibration(Path("data/calibration/kd-1"), CalibrationReport(other, {}, pd.DataFrame()))
    with pytest.raises(ArtifactError, match="other weights"):
        onnx.main()
