"""Which rows each step of an epoch trains on, and how classes are balanced; a pure function of
(seed, epoch).
"""

import numpy as np

from fer_core.base.errors import TrainingError
from fer_core.base.labels import CLASSES, N_CLASSES

__all__ = ["balanced_batches", "effective_number_weights", "shuffled_batches"]

_LEAST_PER_CLASS = 2


def shuffled_batches(rows: np.ndarray, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """All rows once, in a fresh order; the last batch takes the remainder, joined to the one before
    it if it would be one row.

    A batch of a single row has no batch statistics, which batch normalisation needs.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def balanced_batches(
    rows: np.ndarray, labels: np.ndarray, batch: int, seed: int, epoch: int
) -> list[np.ndarray]:
    """Batches with at least two rows of each class; the other places draw a class uniformly.

    Within a class rows come from reshuffled passes, so that a large class is walked through instead
    of drawn with replacement. There are as many steps as with plain shuffling.

    Args:
        rows: row numbers [n].
        labels: class of each of them [n].
        batch: at least two for each class.

    Raises:
        TrainingError: a class has no row.
    """
    random = np.random.default_rng([seed, epoch])
    pools = [rows[labels == index] for index in range(N_CLASSES)]
    for name, pool in zip(CLASSES, pools, strict=True):
        if not len(pool):
            raise TrainingError(
                "Balanced batches need every class.",
                where="train rows",
                found=f"no {name}",
                remedy="balance: none or weights",
            )
    steps = max(1, round(len(rows) / batch))
    slots = np.tile(np.repeat(np.arange(N_CLASSES), _LEAST_PER_CLASS), (steps, 1))
    slots = np.concatenate(
        [slots, random.integers(N_CLASSES, size=(steps, batch - slots.shape[1]))], axis=1
    )
    chosen = np.empty_like(slots)
    for index, pool in enumerate(pools):
        wanted = slots == index
        count = int(wanted.sum())
        passes = [random.permutation(pool) for _ in range(-(-count // len(pool)))]
        chosen[wanted] = np.concatenate(passes)[:count]
    return [random.permutation(row) for row in chosen]


def effective_number_weights(labels: np.ndarray, beta: float = 0.9999) -> np.ndarray:
    """Class weights (1 - beta) / (1 - beta^n), scaled to sum to the number of classes (Cui et al.,
    CVPR 2019); 0 for an absent class.

    Args:
        labels: class indices [n].

    Returns:
        float32 [7].
    """
    counts = np.bincount(labels, minlength=N_CLASSES)
    weights = np.where(counts > 0, (1 - beta) / (1 - beta ** np.maximum(counts, 1)), 0)
    return (weights * N_CLASSES / weights.sum()).astype(np.float32)
