"""Soft labels: the ensemble's calibrated, fused logits of every train row, for the evaluation view
and each stored training view; and beside them the calibrated logits of each teacher alone, for
methods that learn from each.

They are at T = 1; the student applies its distillation temperature. The folder is written by one
function and verified in full by one: every file and its hash, the rows, their ids, order, labels
and sources, the class order, every array and every count; by a digest that binds each row's logits
to its id, that they are at their rows; and by their NLL, that they know these rows as the ensemble
was measured to.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import CLASSES, check_class_order
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.tables import read_table, write_table
from fer_core.targets.checks import (
    REMEDY,
    check_aligned,
    check_counts,
    check_digest,
    check_logits,
    check_of_teachers,
    check_quality,
    check_views,
    rows_digest,
)

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
    check_logits(stored, len(frame), folder)
    check_of_teachers(singly, stored, tuple(of_teachers), folder)
    check_quality(stored, labels, metrics, folder)
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
            "rows_digest": rows_digest(frame["sample_id"].tolist(), stored, singly),
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
            remedy=REMEDY,
        )
    check_class_order(read_json(folder / "classorder.json"), folder / "classorder.json")

    frame = rows.frame.iloc[rows.split("train")]
    index = read_table(folder / "softlabels_index.parquet", _INDEX, _INDEX_KIND)
    logits, labels = _load(folder / "softlabels.npz")
    singly, labels_of_teachers = _load(folder / "teachers.npz")
    check_counts(
        {
            "rows": len(index),
            "alignment report": report.get("rows"),
            "logits": len(logits),
            "labels": len(labels),
            "logits of teachers": len(singly),
            "labels of teachers": len(labels_of_teachers),
        },
        len(frame),
        folder,
    )
    check_aligned(index, labels, labels_of_teachers, frame, folder)
    check_logits(logits, len(frame), folder)
    teachers = tuple(report.get("teachers", []))
    check_views(logits, report.get("views"), folder)
    check_of_teachers(singly, logits, teachers, folder)
    digest = rows_digest(frame["sample_id"].tolist(), logits, singly)
    check_digest(digest, report.get("rows_digest"), folder)
    check_quality(logits, labels, read_json(folder / "ensemble_metrics.json"), folder)
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
            "The arrays of the soft labels are damaged.", where=file, found=error, remedy=REMEDY
        ) from error
    if labels.ndim != 1 or labels.dtype != np.uint8:
        raise ArtifactError(
            "The labels beside the soft labels are of another type.",
            where=file,
            found=labels.dtype,
            expected="uint8 [N]",
        )
    return logits, labels
