import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json
from fer_core.export.onnx.gates import Parity
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.report import read_export_report, write_export_report
from tests.exports import Exported


def test_report_describes_the_files_and_refuses_another_file(
    tmp_path: Path, exported: Exported
) -> None:
    files = {
        precision: Path(shutil.copy(path, tmp_path)) for precision, path in exported.files.items()
    }
    good, bad = (
        Parity(28, 0, 4.0, share * 4, 1e-6, share, 1.0, 0.0, 0.0, 0.0, 0.0, *[0.5] * 6)
        for share in (1e-6, 0.5)
    )
    report = tmp_path / "onnxexportreport.json"
    write_export_report(report, files, {"fp32": good, "fp16": bad}, exported.metadata, "kd-1", 18)
    single, half = read_export_report(report)
    assert (single["modelname"], single["opset"], single["input_shape"]) == (
        "kd-1",
        18,
        ["batch", 32, 32, 3],
    )
    assert single["checkpoint_hash"] == exported.card.weights_sha256
    assert single["paritycheck"] == {"meanabsdiff": 1e-5, "maxabsdiff": 1e-5, "pass": True}
    assert (half["precision"], half["paritycheck"]["pass"], half["bytes"]) == (
        "fp16",
        False,
        files["fp16"].stat().st_size,
    )
    assert read_json(report)["refused"] == [] and "quantisation" not in read_json(report)
    files["fp16"].write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"student\.fp16\.onnx"):
        read_export_report(report)


def test_precision_that_is_not_handed_out_has_no_record_but_a_reason(
    tmp_path: Path, exported: Exported
) -> None:
    files: dict[Precision, Path] = {"fp32": Path(shutil.copy(exported.files["fp32"], tmp_path))}
    good = Parity(28, 0, 4.0, 1e-6, 1e-6, 1e-6, 1.0, 0.0, 0.0, 0.0, 0.0, *[0.5] * 6)
    report = tmp_path / "onnxexportreport.json"
    parity: dict[Precision, Parity] = {"fp32": good, "int8": replace(good, macro_f1=0.48)}
    write_export_report(report, files, parity, exported.metadata, "kd-1", 18, {"faces": 64})
    assert [record["precision"] for record in read_export_report(report)] == ["fp32"]
    values = read_json(report)
    assert values["refused"] == [
        {"precision": "int8", "reasons": ["drop of macro-F1 is 0.02, allowed 0.01"]}
    ]
    assert values["quantisation"] == {"faces": 64}
