"""What must hold of soft labels, written or read: they are of the pack's train rows, at their
places, and know them as the ensemble was measured to.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES

__all__ = [
    "REMEDY",
    "check_aligned",
    "check_counts",
    "check_digest",
    "check_logits",
    "check_of_teachers",
    "check_quality",
    "check_views",
    "rows_digest",
]

_NLL_SLACK, _ACCURACY_SLACK = 0.01, 0.01  # float16 moves both a little
REMEDY = "run `dvc repro softlabels` to make them again"


def check_counts(counts: Mapping[str, object], expected: int, where: Path) -> None:
    """All parts are of as many rows as the pack has train rows."""
    if set(counts.values()) != {expected}:
        raise ArtifactError(
            "Soft labels and train rows are not the same number.",
            where=where,
            found=counts,
            expected=expected,
            remedy=REMEDY,
        )


def check_aligned(
    index: pd.DataFrame,
    labels: np.ndarray,
    labels_of_teachers: np.ndarray,
    frame: pd.DataFrame,
    where: Path,
) -> None:
    """Each soft label is of the pack's train row at its place."""
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
                where=f"{where}: row {wrong[0]}",
                found=mine[wrong[0]],
                expected=theirs[wrong[0]],
                remedy=REMEDY,
            )


def check_logits(logits: np.ndarray, count: int, where: object) -> None:
    """The logits are finite, and of each train row and view."""
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


def check_views(logits: np.ndarray, expected: object, where: Path) -> None:
    """There are as many views as the report says."""
    if expected != logits.shape[1] - 1:
        raise ArtifactError(
            "The number of views is not the one reported.",
            where=where,
            found=logits.shape[1] - 1,
            expected=expected,
        )


def check_of_teachers(
    singly: np.ndarray, fused: np.ndarray, teachers: tuple[str, ...], where: object
) -> None:
    """The teachers' own logits are finite, and fit the fused ones."""
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


def check_digest(found: str, expected: object, where: Path) -> None:
    """Every row's logits are at its id."""
    if found != expected:
        raise ArtifactError(
            "The logits of the soft labels are not at the rows they were made for, or are other "
            "ones.",
            where=where,
            found=found,
            expected=expected,
            remedy=REMEDY,
        )


def check_quality(logits: np.ndarray, labels: np.ndarray, metrics: Any, where: object) -> None:
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
            remedy=REMEDY,
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
            remedy=REMEDY,
        )


def rows_digest(sample_ids: Sequence[str], logits: np.ndarray, of_teachers: np.ndarray) -> str:
    """Hash of every row's id beside its logits, in order."""
    digest = hashlib.sha256()
    for key, fused, singly in zip(sample_ids, logits, of_teachers, strict=True):
        digest.update(f"{key}\n".encode())
        digest.update(fused.tobytes())
        digest.update(singly.tobytes())
    return digest.hexdigest()
