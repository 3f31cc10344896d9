"""What every optimiser step is given, known before training begins: its rows, a pure function of
(seed, epoch), and its learning rate.
"""

from dataclasses import dataclass

import numpy as np

from fer_core.base.absent import present_classes
from fer_core.base.errors import TrainingError
from fer_core.base.labels import CLASSES
from fer_core.images.bank import ImageBank
from fer_core.training.loop.options import TrainOptions

__all__ = [
    "TrainingData",
    "balanced_batches",
    "batches_of",
    "check_rows",
    "learning_rates",
    "shuffled_batches",
]

_LEAST_PER_CLASS = 2


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and is selected on.

    Attributes:
        bank: images of the train and val rows.
        labels: int8, class of every row of the pack's half.
        train: row numbers to learn from.
        val: row numbers to select on.
    """

    bank: ImageBank
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray


def check_rows(train: np.ndarray, val: np.ndarray) -> None:
    """Refuse to train without rows.

    Raises:
        TrainingError: there is no train or no val row.
    """
    for name, rows in (("train", train), ("val", val)):
        if not len(rows):
            raise TrainingError(
                "A split is empty.",
                where=f"{name} rows of the pack",
                remedy="see data/validation.json and params manifest",
            )


def batches_of(
    data: TrainingData, options: TrainOptions, seed: int, epoch: int
) -> list[np.ndarray]:
    """Row numbers of every step of an epoch."""
    if options.balance == "batches":
        labels = data.labels[data.train]
        batches = balanced_batches(data.train, labels, options.batch, seed, epoch)
    else:
        batches = shuffled_batches(data.train, options.batch, seed, epoch)
    return batches[: options.max_train_batches or None]


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
    """Batches with at least two rows of each class that is not declared absent; the other places
    draw a class uniformly.

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
    pools = [rows[labels == index] for index in present_classes()]
    for index, pool in zip(present_classes(), pools, strict=True):
        if not len(pool):
            raise TrainingError(
                "Balanced batches need every class.",
                where="train rows",
                found=f"no {CLASSES[index]}",
                remedy="balance: none or weights",
            )
    steps = max(1, round(len(rows) / batch))
    slots = np.tile(np.repeat(np.arange(len(pools)), _LEAST_PER_CLASS), (steps, 1))
    slots = np.concatenate(
        [slots, random.integers(len(pools), size=(steps, batch - slots.shape[1]))], axis=1
    )
    chosen = np.empty_like(slots)
    for index, pool in enumerate(pools):
        wanted = slots == index
        count = int(wanted.sum())
        passes = [random.permutation(pool) for _ in range(-(-count // len(pool)))]
        chosen[wanted] = np.concatenate(passes)[:count]
    return [random.permutation(row) for row in chosen]


def learning_rates(
    steps: int, warmup: int, peak: float, floor: float, schedule: str = "cosine"
) -> np.ndarray:
    """Linear rise over `warmup` steps, then a fall to `floor` at the last step: along a cosine
    (Loshchilov & Hutter, ICLR 2017, no restarts), or along a line (Smith & Topin,
    "Super-Convergence", 2019, one cycle).

    Args:
        steps: number of optimiser steps.
        warmup: steps of the rise; the first has peak / warmup.
        peak: greatest learning rate.
        floor: learning rate of the last step.
        schedule: "cosine" or "one_cycle".

    Returns:
        float64 [steps].
    """
    step = np.arange(steps)
    rise = peak * (step + 1) / max(1, warmup)
    progress = np.clip((step - warmup) / max(1, steps - 1 - warmup), 0, 1)
    left = 0.5 * (1 + np.cos(np.pi * progress)) if schedule == "cosine" else 1 - progress
    return np.where(step < warmup, rise, floor + (peak - floor) * left)
