"""Folds for cross-validation: stratified by label, whole groups, and the same on every machine."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.named_sets import TrainSet

__all__ = ["OutOfFold", "stratified_group_folds", "train_folds"]


def stratified_group_folds(
    sample_ids: Sequence[str], labels: np.ndarray, groups: Sequence[str], folds: int
) -> np.ndarray:
    """The fold of each row.

    Groups, the large ones first and else in the order of the SHA-256 of their least sample_id, go
    each to the fold that has the smallest share of the rows of its labels, then the fewest rows. So
    folds depend neither on the order of the rows nor on a seed.

    Args:
        sample_ids: of N rows.
        labels: int64 [N].
        groups: of each row; rows of one group share a fold.
        folds: how many.

    Returns:
        int64 [N], 0 … folds - 1.

    Raises:
        ArtifactError: fewer groups than folds.
    """
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    if len(members) < folds:
        raise ArtifactError(
            "There are not enough rows to cross-validate.",
            where="folds of params.yaml",
            found=f"{len(members)} groups of rows",
            expected=f"{folds} or more",
            remedy="more rows (for calib rows: manifest.calib_fraction) or fewer folds",
        )
    digest = {
        group: hashlib.sha256(min(sample_ids[i] for i in rows).encode()).digest()
        for group, rows in members.items()
    }
    total = np.bincount(labels, minlength=N_CLASSES).tolist()
    held, sizes = [[0] * N_CLASSES for _ in range(folds)], [0] * folds
    fold = np.empty(len(labels), dtype=np.int64)
    for group in sorted(members, key=lambda group: (-len(members[group]), digest[group])):
        mine = sorted(
            labels[members[group]].tolist()
        )  # shares are added up in one order, whatever the order of the rows
        at = min(
            range(folds),
            key=lambda f: (sum(held[f][label] / total[label] for label in mine), sizes[f], f),
        )
        fold[members[group]] = at
        sizes[at] += len(mine)
        for label in mine:
            held[at][label] += 1
    return fold


def train_folds(frame: pd.DataFrame, folds: int) -> np.ndarray:
    """The fold of each train row of the dev half; groups stay whole.

    Args:
        frame: rows of the dev half (`Rows.frame`).
        folds: how many.

    Returns:
        int64 [N], 0 … folds - 1, and -1 for rows of other splits.

    Raises:
        ArtifactError: fewer groups than folds.
    """
    train = np.flatnonzero((frame["split"] == "train").to_numpy())
    rows = frame.iloc[train]
    found = np.full(len(frame), -1, dtype=np.int64)
    found[train] = stratified_group_folds(
        rows["sample_id"].tolist(),
        rows["label"].to_numpy(dtype=np.int64),
        rows["group"].tolist(),
        folds,
    )
    return found


@dataclass(frozen=True)
class OutOfFold:
    """The train rows outside one fold: what the teacher of that fold learns from.

    Attributes:
        train_set: the rows to take them from; None for all train rows.
        fold: the one left out.
        folds: how many there are.
    """

    train_set: TrainSet | None
    fold: int
    folds: int

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """Numbers of the rows to learn from, int64, ascending; `frame` as for `TrainSet.rows`.

        Raises:
            ArtifactError: fewer groups than folds.
            DataError: the named set has no train row.
        """
        fold_of = train_folds(frame, self.folds)
        chosen = (
            np.flatnonzero(fold_of >= 0) if self.train_set is None else self.train_set.rows(frame)
        )
        return chosen[fold_of[chosen] != self.fold]

    def to_dict(self) -> dict[str, Any]:
        """The fold and what the rows were taken from, as plain values."""
        return {
            "fold": self.fold,
            "folds": self.folds,
            "of": None if self.train_set is None else self.train_set.to_dict(),
        }
