"""How people voted on the pictures of a pack."""

import logging

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.rows import Rows

__all__ = ["vote_shares"]

log = logging.getLogger(__name__)


def vote_shares(rows: Rows) -> np.ndarray:
    """Share of each class among the votes on every row's picture.

    Args:
        rows: of the pack's dev half.

    Returns:
        float32 [number of rows, 7]; zeros for rows that nobody voted on.

    Raises:
        DataError: there are no votes on any train row.
    """
    shares = np.zeros((len(rows), N_CLASSES), dtype=np.float32)
    votes = rows.frame["votes"]
    voted = np.flatnonzero(votes.notna().to_numpy())
    if len(voted):
        cast = np.stack(votes.iloc[voted].to_list()).astype(np.float32)
        shares[voted] = cast / np.maximum(cast.sum(axis=1, keepdims=True), 1e-9)
    train = rows.split("train")
    count = int((shares[train].sum(axis=1) > 0).sum())
    if not count:
        raise DataError(
            "Nobody voted on these pictures.",
            where="data/pack/dev: train rows",
            remedy="list ferplus or another data set with votes under manifest.sources; or take "
            "methods that learn from votes off student.methods, and votes out of teacher, "
            "teacher_b and targets",
        )
    log.info("votes on %d of %d train rows; the others have their label alone", count, len(train))
    return shares
