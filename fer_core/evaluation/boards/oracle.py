"""The oracle: what a rule that always picks a teacher who is right, where there is one, would
reach.

It bounds every choice among the teachers' answers, and nobody can build it, for it needs the label.
A row that all teachers get wrong counts as missed and as no other class's false alarm, which makes
macro-F1 a bound too: F1 of a class is 2 r / (1 + r) at recall r. (Fused probabilities may now and
then name a class that no teacher put first, so a weighting could exceed the oracle on such rows.)
"""

from typing import Any

import numpy as np

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.evaluation.metrics.bootstrap import Interval, stratified_weights

__all__ = ["oracle"]

_TAIL = 0.025


def oracle(
    hits: np.ndarray,
    labels: np.ndarray,
    resamples: int,
    seed: int,
    pictures: np.ndarray | None = None,
) -> dict[str, Any]:
    """Accuracy and macro-F1 of the oracle with 95 % intervals.

    Args:
        hits: bool [N], whether any teacher is right.
        labels: [N].
        resamples, seed, pictures: of the bootstrap (`stratified_weights`).

    Returns:
        Plain values for JSON: metrics {accuracy, macro_f1: {value, low, high}}, per_class_f1 (None
            for a class without rows).
    """
    y = np.asarray(labels).astype(np.int64)
    present = np.bincount(y, minlength=N_CLASSES) > 0

    def scores(weights: np.ndarray) -> tuple[float, np.ndarray]:
        rows = np.bincount(y, weights=weights, minlength=N_CLASSES)
        right = np.bincount(y, weights=weights * hits, minlength=N_CLASSES)
        recall = np.divide(right, rows, out=np.zeros(N_CLASSES), where=rows > 0)
        return float(right.sum()) / float(rows.sum()), 2 * recall / (1 + recall)

    accuracy, f1 = scores(np.ones(len(y)))
    drawn = []
    for weights in stratified_weights(y, resamples, seed, pictures):
        share, of_class = scores(weights)
        drawn.append((share, float(of_class.mean())))
    low, high = np.quantile(np.array(drawn), [_TAIL, 1 - _TAIL], axis=0)
    values = {"accuracy": accuracy, "macro_f1": float(f1.mean())}
    return {
        "metrics": {
            name: Interval(values[name], float(low[i]), float(high[i])).to_dict()
            for i, name in enumerate(values)
        },
        "per_class_f1": {
            name: round(float(f1[i]), 6) if present[i] else None for i, name in enumerate(CLASSES)
        },
    }
