"""`onnxexportreport.json`: what was exported from which weights, and whether it passed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file, write_json
from fer_core.export.onnx.gates import GATES, Parity
from fer_core.export.onnx.options import Precision
from fer_core.predict.metadata import OnnxMetadata

__all__ = ["read_export_records", "read_export_report", "write_export_report"]

_EXPORT = object_with(
    {
        **dict.fromkeys(
            ("modelname", "arch", "file", "sha256", "checkpoint_hash", "preprocessing_hash"), str
        ),
        **dict.fromkeys(("bytes", "opset"), int),
        "precision": str,
        "paritycheck": dict[str, Any],
    }
)
_EXPORTS: Any = Annotated[list[_EXPORT], Field(min_length=1)]  # type: ignore[valid-type]
_REPORT = object_with(
    {"schema": Literal[1], "kind": Literal["onnxexportreport"], "exports": _EXPORTS}
)


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
    exports = [
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
            **({"calibration": metadata.by_class.to_dict()} if metadata.by_class else {}),
            "preprocessing_hash": metadata.preprocessing.hash(),
            "paritycheck": {
                "meanabsdiff": parity[precision].to_dict()["meanabsdiff"],
                "maxabsdiff": parity[precision].to_dict()["maxabsdiff"],
                "pass": not GATES[precision].broken_by(parity[precision]),
            },
        }
        for precision, file in files.items()
    ]
    refused = [
        {"precision": precision, "reasons": GATES[precision].broken_by(figures)}
        for precision, figures in parity.items()
        if precision not in files
    ]
    how = {} if quantisation is None else {"quantisation": dict(quantisation)}
    write_json(
        path,
        {
            "schema": 1,
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
    exports: list[dict[str, Any]] = read_plain(path, _REPORT)["exports"]
    return exports


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
