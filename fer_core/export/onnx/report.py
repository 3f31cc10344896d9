"""`onnxexportreport.json`: what was exported from which weights, and whether it passed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.parity import GATES, Parity
from fer_core.predict.metadata import OnnxMetadata

__all__ = ["read_export_records", "read_export_report", "write_export_report"]

_SCHEMA = 1
_KEYS = (
    "modelname",
    "arch",
    "file",
    "bytes",
    "sha256",
    "checkpoint_hash",
    "opset",
    "precision",
    "preprocessing_hash",
    "paritycheck",
)
_REMEDY = "run the `onnx` stage again"


def write_export_report(
    path: Path,
    files: Mapping[Precision, Path],
    parity: Mapping[Precision, Parity],
    metadata: OnnxMetadata,
    name: str,
    opset: int,
    quantisation: Mapping[str, Any] | None = None,
) -> None:
    """Write one record for each exported file, and why a precision has none.

    Args:
        path: the report.
        files: handed out, of each precision.
        parity: of these and of those that broke their gates.
        metadata: embedded in the files.
        name: key of the exported network.
        opset: ONNX operator set.
        quantisation: how the int8 network came to be, where there is one.
    """
    size = metadata.preprocessing.size
    exports = []
    for precision, file in files.items():
        figures = parity[precision].to_dict()
        passed = not GATES[precision].broken_by(parity[precision])
        exports.append(
            {
                "modelname": name,
                "arch": metadata.arch,
                "file": file.name,
                "bytes": file.stat().st_size,
                "sha256": sha256_file(file),
                "checkpoint_hash": metadata.source_model_sha256,
                "opset": opset,
                "precision": precision,
                "input_shape": ["batch", size, size, 3],
                "temperature": metadata.temperature,
                "preprocessing_hash": metadata.preprocessing.hash(),
                "paritycheck": {
                    "meanabsdiff": figures["meanabsdiff"],
                    "maxabsdiff": figures["maxabsdiff"],
                    "pass": passed,
                },
            }
        )
    refused = [
        {"precision": precision, "reasons": GATES[precision].broken_by(figures)}
        for precision, figures in parity.items()
        if precision not in files
    ]
    how = {} if quantisation is None else {"quantisation": dict(quantisation)}
    write_json(
        path,
        {
            "schema": _SCHEMA,
            "kind": "onnxexportreport",
            "exports": exports,
            "refused": refused,
            **how,
        },
    )


def read_export_records(path: Path) -> list[dict[str, Any]]:
    """Read the records alone, one an exported file; `read_export_report` is right wherever the
    files are at hand.

    Raises:
        ArtifactError: the report is missing, damaged, of another schema, names no file, or a record
            lacks a key.
    """
    values = read_json(path)
    if not isinstance(values, dict) or (values.get("schema"), values.get("kind")) != (
        _SCHEMA,
        "onnxexportreport",
    ):
        raise ArtifactError("This is no export report of our schema.", where=path, remedy=_REMEDY)
    if not values.get("exports"):
        raise ArtifactError("This report names no exported file.", where=path, remedy=_REMEDY)
    for record in values["exports"]:
        if missing := [key for key in _KEYS if key not in record]:
            raise ArtifactError(
                "A key is missing.", where=path, expected=", ".join(missing), remedy=_REMEDY
            )
    return values["exports"]


def read_export_report(path: Path) -> list[dict[str, Any]]:
    """Read the records; each file named must lie beside the report and be the one that was
    exported.

    Raises:
        ArtifactError: as `read_export_records`, or a file is missing or another.
    """
    records = read_export_records(path)
    for record in records:
        file = path.parent / record["file"]
        if (found := sha256_file(file)) != record["sha256"]:
            raise ArtifactError(
                "This ONNX file is not the one of its report.",
                where=file,
                found=found,
                expected=record["sha256"],
            )
    return records
