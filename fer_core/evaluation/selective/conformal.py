"""Split-conformal sets of classes, a threshold for each class (Vovk 2012; Sadinle et al. 2019).

A class is in a face's set if its probability is no less than the class's threshold. Fitted on n
rows of a class, the set of another face of that class holds it with a probability of at least
1 - miss, whatever the model, as long as faces come from the same place.
"""

import numpy as np

from fer_core.base.labels import N_CLASSES

__all__ = ["class_sets", "class_thresholds"]


def class_thresholds(p: np.ndarray, labels: np.ndarray, miss: float) -> list[float | None]:
    """Least probability of each class at which it is kept.

    Args:
        p: float64 [N, 7], of calib rows.
        labels: [N].
        miss: share of a class's faces that may be missed.

    Returns:
        A value for each class; None where its rows are too few for any promise but always keeping
        it.
    """
    thresholds: list[float | None] = []
    for label in range(N_CLASSES):
        scores = np.sort(p[labels == label, label])  # rising: the lowest are the worst
        missed = int(np.floor((len(scores) + 1) * miss + 1e-9))
        thresholds.append(float(scores[missed - 1]) if missed else None)
    return thresholds


def class_sets(p: np.ndarray, thresholds: list[float | None]) -> np.ndarray:
    """Which classes each face may show, bool [N, 7]; a class without a threshold always."""
    least = np.array([0.0 if value is None else value for value in thresholds])
    return np.asarray(p >= least)
