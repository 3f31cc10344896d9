import shutil
from pathlib import Path

import pytest

from fer_core.deploy.parity import Parity
from fer_core.deploy.report import read_export_report, write_export_report
from fer_core.errors import ArtifactError
from tests.deploy.conftest import Exported


def test_report_describes_the_files_and_refuses_another_file(tmp_path: Path, exported: Exported) -> None:
    files = {precision: Path(shutil.copy(path, tmp_path)) for precision, path in exported.files.items()}
    good, bad = (Parity(28, 0, 4.0, share * 4, 1e-6, share, 1.0, 0.0, 0.0, 0.0, 0.5, 0.5) for share in (1e-6, 0.5))
    report = tmp_path / "onnxexportreport.json"
    write_export_report(report, files, {"fp32": good, "fp16": bad}, exported.metadata, "kd-1", 18)
    single, half = read_export_report(report)
    assert (single["modelname"], single["opset"], single["input_shape"]) == ("kd-1", 18, ["batch", 32, 32, 3])
    assert single["checkpoint_hash"] == exported.card.weights_sha256
    assert single["paritycheck"] == {"meanabsdiff": 1e-6, "maxabsdiff": 4e-6, "pass": True}
    assert (half["precision"], half["paritycheck"]["pass"], half["bytes"]) == ("fp16", False, files["fp16"].stat().st_size)
    files["fp16"].write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"student\.fp16\.onnx"):
        read_export_report(report)
