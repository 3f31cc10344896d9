"""Folds for cross-validation: stratified by label, whole groups, and the same on every machine."""

import hashlib
from collections.abc import Sequence

import numpy as np

from fer_core.errors import ArtifactError
from fer_core.labels import N_CLASSES

__all__ = ["stratified_group_folds"]


def stratified_group_folds(sample_ids: Sequence[str], labels: np.ndarray, groups: Sequence[str], folds: int) -> np.ndarray:
    """The fold of each row.

    Groups, the large ones first and else in the order of the SHA-256 of their least sample_id, go each to the fold that has the smallest
    share of the rows of its labels, then the fewest rows. So folds depend neither on the order of the rows nor on a seed.

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
            "There are not enough calib rows to cross-validate a calibration.",
            where="params.yaml: evaluation.calibration.folds",
            found=f"{len(members)} groups of rows",
            expected=f"{folds} or more",
            remedy="more calib rows (manifest.calib_fraction) or fewer folds",
        )
    digest = {group: hashlib.sha256(min(sample_ids[i] for i in rows).encode()).digest() for group, rows in members.items()}
    total = np.bincount(labels, minlength=N_CLASSES).tolist()
    held, sizes = [[0] * N_CLASSES for _ in range(folds)], [0] * folds
    fold = np.empty(len(labels), dtype=np.int64)
    for group in sorted(members, key=lambda group: (-len(members[group]), digest[group])):
        mine = sorted(labels[members[group]].tolist())  # shares are added up in one order, whatever the order of the rows
        at = min(range(folds), key=lambda f: (sum(held[f][label] / total[label] for label in mine), sizes[f], f))
        fold[members[group]] = at
        sizes[at] += len(mine)
        for label in mine:
            held[at][label] += 1
    return fold
