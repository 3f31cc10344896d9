"""Tables of confusion and what is counted from them, with intervals from drawing tables anew."""

import numpy as np

from fer_core.base.labels import N_CLASSES

__all__ = ["COMPARED", "f1", "intervals", "values"]

COMPARED = ("accuracy", "macro_f1_present")
"""The values that have intervals."""


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class from a table int64 [7, 8], whose last column is uncertain; float64 [7]."""
    right = confusion[:, :N_CLASSES].diagonal()
    given = confusion[:, :N_CLASSES].sum(axis=0)
    return 2 * right / np.maximum(given + confusion.sum(axis=1), 1)


def values(confusion: np.ndarray) -> dict[str, float | None]:
    """Single numbers; F1 is of all classes, of those with labels, and of the three lowest of
    these.
    """
    total = int(confusion.sum())
    if not total:
        names = ("accuracy", "coverage", "macro_f1", "macro_f1_present", "minority_f1_lowest3")
        return dict.fromkeys(names)
    per_class, present = f1(confusion), confusion.sum(axis=1) > 0
    return {
        "accuracy": float(confusion[:, :N_CLASSES].trace() / total),
        "coverage": float(confusion[:, :N_CLASSES].sum() / total),
        "macro_f1": float(per_class.mean()),
        "macro_f1_present": float(per_class[present].mean()),
        "minority_f1_lowest3": float(np.sort(per_class[present])[:3].mean()),
    }


def intervals(
    one: np.ndarray, other: np.ndarray, resamples: int
) -> list[dict[str, list[float]]] | None:
    """95 % intervals of one, of the other, and of other minus one, from drawing segments with
    replacement; None for fewer than two segments.

    Args:
        one: a table for each segment, int64 [segments, 7, 8].
        other: of the same segments.
        resamples: draws; 0 gives no intervals.
    """
    if len(one) < 2 or not resamples:
        return None
    rng = np.random.default_rng(0)
    drawn = np.empty((3, len(COMPARED), resamples))
    for place in range(resamples):
        counts = np.bincount(rng.integers(0, len(one), len(one)), minlength=len(one))
        for number, table in enumerate((one, other)):
            found = values(np.tensordot(counts, table, 1))
            drawn[number, :, place] = [found[name] for name in COMPARED]
    drawn[2] = drawn[1] - drawn[0]
    ends = np.percentile(drawn, [2.5, 97.5], axis=2)
    return [
        {name: ends[:, number, place].tolist() for place, name in enumerate(COMPARED)}
        for number in range(3)
    ]
