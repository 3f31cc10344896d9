"""Soft labels: the ensemble's calibrated, fused logits of every train row, for the evaluation view
and each stored training view; and beside them the calibrated logits of each teacher alone, for
methods that learn from each.

They are at T = 1; the student applies its distillation temperature. The folder is written by one
function and verified in full by one: every file and its hash, the rows, their ids, order, labels
and sources, the class order, every array and every count; by a digest that binds each row's logits
to its id, that they are at their rows; and by their NLL, that they know these rows as the ensemble
was measured to.
"""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import CLASSES, N_CLASSES, check_class_order
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.tables import read_table, write_table

__all__ = ["SoftLabels", "read_softlabels", "write_softlabels"]

_KIND = "softlabels/4"
_INDEX_KIND = "softlabels_index/1"
_INDEX = pa.schema(
    [
        pa.field(name, kind, nullable=False)
        for name, kind in [
            ("i", pa.int32()),
            ("sample_id", pa.string()),
            ("source", pa.string()),
            ("y", pa.uint8()),
        ]
    ]
)
_NLL_SLACK, _ACCURACY_SLACK = 0.01, 0.01  # float16 moves both a little
_REMEDY = "run `dvc repro softlabels` to make them again"


@dataclass(frozen=True)
class SoftLabels:
    """Targets of the N train rows, in the rows' order.

    Attributes:
        logits: float16 [N, K + 1, 7]; column k is view k, view 0 the evaluation view.
        teachers: tags of the M teachers.
        of_teachers: float16 [N, K + 1, M, 7], calibrated logits of each teacher.
        labels: uint8 [N].
        rows_sha256: hash of the `rows.parquet` they belong to.
        preprocessing_hash: of what the teachers' images went through, at any size: the student's
            must be equal.
        views_hash: of the view options: the student's must be equal.
        sha256: of `softlabels.npz`.
        of_teachers_sha256: of `teachers.npz`.
    """

    logits: np.ndarray
    teachers: tuple[str, ...]
    of_teachers: np.ndarray
    labels: np.ndarray
    rows_sha256: str
    preprocessing_hash: str
    views_hash: str
    sha256: str
    of_teachers_sha256: str


def write_softlabels(
    folder: Path,
    rows: Rows,
    logits: np.ndarray,
    of_teachers: Mapping[str, np.ndarray],
    *,
    made_from: Mapping[str, str],
    ensemble: dict[str, Any],
    metrics: dict[str, Any],
) -> None:
    """Write the folder in one step.

    Args:
        folder: the out.
        rows: of the dev half; the train rows among them are the targets' rows.
        logits: [N_train, K + 1, 7], finite in float16.
        of_teachers: of each teacher, the same of its own calibrated logits.
        made_from: hashes of the teachers' `preprocessing`, at any size, and `views`.
        ensemble: how the teachers were fused, for the alignment report.
        metrics: of the ensemble, for `ensemble_metrics.json`; with `splits: {train: {nll,
            accuracy}}` of the fused logits.

    Raises:
        ArtifactError: logits that do not fit the train rows, are not finite in float16 or are not
            those that the metrics are of.
    """
    frame = rows.frame.iloc[rows.split("train")]
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(logits, dtype=np.float16)
        singly = np.stack(
            [np.asarray(values, dtype=np.float16) for values in of_teachers.values()], axis=2
        )
    labels = frame["label"].to_numpy(dtype=np.uint8)
    _check_logits(stored, len(frame), folder)
    _check_of_teachers(singly, stored, tuple(of_teachers), folder)
    _check_quality(stored, labels, metrics, folder)
    header = Header(
        _KIND,
        rows=len(frame),
        rows_sha256=rows.sha256,
        made_from=dict(made_from),
    )
    with new_artifact(folder, header) as temporary:
        with (temporary / "softlabels.npz").open("wb") as stream:
            np.savez(stream, logits=stored, y=labels)
        with (temporary / "teachers.npz").open("wb") as stream:
            np.savez(stream, logits=singly, y=labels)
        index = pd.DataFrame(
            {
                "i": np.arange(len(frame)),
                "sample_id": frame["sample_id"].to_numpy(),
                "source": frame["source"].to_numpy(),
                "y": labels,
            }
        )
        write_table(temporary / "softlabels_index.parquet", index, _INDEX, _INDEX_KIND)
        write_json(temporary / "classorder.json", list(CLASSES))
        report = {
            "split": "train",
            "rows": len(frame),
            "views": stored.shape[1] - 1,
            "logits_kind": "calibrated fused logits at T = 1",
            "teachers": list(of_teachers),
            "ensemble": ensemble,
            "rows_digest": _digest(frame["sample_id"].tolist(), stored, singly),
        }
        write_json(temporary / "alignmentreport.json", report)
        write_json(temporary / "ensemble_metrics.json", metrics)


def read_softlabels(folder: Path, rows: Rows) -> SoftLabels:
    """Read soft labels and verify all of them against the dev rows they must belong to.

    Raises:
        ArtifactError: names the file and the first row at fault: a file missing, added or changed,
            other rows, ids, order, labels or sources, logits at other rows than they were made for,
            another class order, another number of rows or views, a logit that is not finite, or
            logits that know the labels better or worse than the ensemble did.
    """
    header = open_artifact(folder, _KIND)
    report = read_json(folder / "alignmentreport.json")
    if header.rows_sha256 != rows.sha256:
        raise ArtifactError(
            "These soft labels belong to other rows.",
            where=folder,
            found=header.rows_sha256,
            expected=rows.sha256,
            remedy=_REMEDY,
        )
    check_class_order(read_json(folder / "classorder.json"), folder / "classorder.json")

    frame = rows.frame.iloc[rows.split("train")]
    index = read_table(folder / "softlabels_index.parquet", _INDEX, _INDEX_KIND)
    logits, labels = _load(folder / "softlabels.npz")
    singly, labels_of_teachers = _load(folder / "teachers.npz")
    counts = {
        "rows": len(index),
        "alignment report": report.get("rows"),
        "logits": len(logits),
        "labels": len(labels),
        "logits of teachers": len(singly),
        "labels of teachers": len(labels_of_teachers),
    }
    if set(counts.values()) != {len(frame)}:
        raise ArtifactError(
            "Soft labels and train rows are not the same number.",
            where=folder,
            found=counts,
            expected=len(frame),
            remedy=_REMEDY,
        )
    truth = frame["label"].to_numpy(dtype=np.uint8)
    for name, mine, theirs in (
        ("order", index["i"].to_numpy(), np.arange(len(frame))),
        (
            "sample_id",
            index["sample_id"].to_numpy(dtype=object),
            frame["sample_id"].to_numpy(dtype=object),
        ),
        ("source", index["source"].to_numpy(dtype=object), frame["source"].to_numpy(dtype=object)),
        ("y of the index", index["y"].to_numpy(), truth),
        ("y of the arrays", labels, truth),
        ("y of the teachers' arrays", labels_of_teachers, truth),
    ):
        if len(wrong := np.flatnonzero(mine != theirs)):
            raise ArtifactError(
                f"The {name} of {len(wrong)} soft labels is not the pack's.",
                where=f"{folder}: row {wrong[0]}",
                found=mine[wrong[0]],
                expected=theirs[wrong[0]],
                remedy=_REMEDY,
            )
    _check_logits(logits, len(frame), folder)
    if report.get("views") != logits.shape[1] - 1:
        raise ArtifactError(
            "The number of views is not the one reported.",
            where=folder,
            found=logits.shape[1] - 1,
            expected=report.get("views"),
        )
    teachers = tuple(report.get("teachers", []))
    _check_of_teachers(singly, logits, teachers, folder)
    if (digest := _digest(frame["sample_id"].tolist(), logits, singly)) != report.get(
        "rows_digest"
    ):
        raise ArtifactError(
            "The logits of the soft labels are not at the rows they were made for, or are other "
            "ones.",
            where=folder,
            found=digest,
            expected=report.get("rows_digest"),
            remedy=_REMEDY,
        )
    _check_quality(logits, labels, read_json(folder / "ensemble_metrics.json"), folder)
    return SoftLabels(
        logits=logits,
        teachers=teachers,
        of_teachers=singly,
        labels=labels,
        rows_sha256=rows.sha256,
        preprocessing_hash=header.made_from["preprocessing"],
        views_hash=header.made_from["views"],
        sha256=sha256_file(folder / "softlabels.npz"),
        of_teachers_sha256=sha256_file(folder / "teachers.npz"),
    )


def _load(file: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if sorted(arrays.files) != ["logits", "y"]:
                raise ArtifactError(
                    "The arrays of the soft labels are not those expected.",
                    where=file,
                    found=arrays.files,
                    expected=["logits", "y"],
                )
            logits, labels = arrays["logits"], arrays["y"]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            "The arrays of the soft labels are damaged.", where=file, found=error, remedy=_REMEDY
        ) from error
    if labels.ndim != 1 or labels.dtype != np.uint8:
        raise ArtifactError(
            "The labels beside the soft labels are of another type.",
            where=file,
            found=labels.dtype,
            expected="uint8 [N]",
        )
    return logits, labels


def _check_logits(logits: np.ndarray, count: int, where: object) -> None:
    if (
        count == 0
        or logits.ndim != 3
        or logits.shape[0] != count
        or logits.shape[1] < 2
        or logits.shape[2] != N_CLASSES
    ):
        raise ArtifactError(
            "Soft labels do not fit the train rows.",
            where=where,
            found=logits.shape,
            expected=(count, "K + 1", N_CLASSES),
        )
    if logits.dtype != np.float16:
        raise ArtifactError(
            "Soft labels are of another type.", where=where, found=logits.dtype, expected="float16"
        )
    if not np.isfinite(logits).all():
        raise ArtifactError(
            "A soft label is not finite.",
            where=where,
            found=f"{int((~np.isfinite(logits)).any(axis=(1, 2)).sum())} rows",
        )


def _check_of_teachers(
    singly: np.ndarray, fused: np.ndarray, teachers: tuple[str, ...], where: object
) -> None:
    expected = (*fused.shape[:2], len(teachers), N_CLASSES)
    if not teachers or singly.shape != expected:
        raise ArtifactError(
            "The teachers' own logits do not fit the soft labels.",
            where=where,
            found=singly.shape,
            expected=expected,
        )
    if singly.dtype != np.float16 or not np.isfinite(singly).all():
        raise ArtifactError(
            "A teacher's logits are of another type or not finite.",
            where=where,
            found=singly.dtype,
            expected="float16",
        )


def _digest(sample_ids: Sequence[str], logits: np.ndarray, of_teachers: np.ndarray) -> str:
    """Hash of every row's id beside its logits, in order."""
    digest = hashlib.sha256()
    for key, fused, singly in zip(sample_ids, logits, of_teachers, strict=True):
        digest.update(f"{key}\n".encode())
        digest.update(fused.tobytes())
        digest.update(singly.tobytes())
    return digest.hexdigest()


def _check_quality(logits: np.ndarray, labels: np.ndarray, metrics: Any, where: object) -> None:
    """Refuse logits whose NLL or accuracy on the evaluation view is not the one that the ensemble
    was measured to have on train rows.
    """
    try:
        expected = {name: float(metrics["splits"]["train"][name]) for name in ("nll", "accuracy")}
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            "The ensemble's metrics do not tell its NLL and accuracy on train rows.",
            where=where,
            found=error,
            remedy=_REMEDY,
        ) from error
    view = logits[:, 0].astype(np.float64)
    rows, top = np.arange(len(view)), view.max(axis=1)
    nll = float((top + np.log(np.exp(view - top[:, None]).sum(axis=1)) - view[rows, labels]).mean())
    accuracy = float((view.argmax(axis=1) == labels).mean())
    if abs(nll - expected["nll"]) > _NLL_SLACK or abs(
        accuracy - expected["accuracy"]
    ) > _ACCURACY_SLACK + 1 / len(view):
        raise ArtifactError(
            "The soft labels do not know their rows as the ensemble does.",
            where=where,
            found=f"NLL {nll:.4f}, accuracy {accuracy:.4f}",
            expected=f"NLL {expected['nll']:.4f}, accuracy {expected['accuracy']:.4f}",
            remedy=_REMEDY,
        )
