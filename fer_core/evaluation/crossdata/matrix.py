"""The matrix of data sets left out and data sets tested on.

A row is a training: what it left out; the first one leaves none out and is what the others are
compared with. A column is a data set: its test rows, of which no training saw a picture, photo or
person. Intervals draw whole clusters; differences are paired: same rows, resamples and seeds. With
several seeds intervals allow for other seeds too; with one they say nothing of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.paths import NONE_LEFT_OUT
from fer_core.evaluation.comparison.significance import over_seeds
from fer_core.evaluation.metrics.bootstrap import (
    Interval,
    percentile_interval,
    stratified_weights,
)
from fer_core.evaluation.metrics.deployed import refused
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions

__all__ = ["MATRIX_METRICS", "MatrixRows", "measure_matrix"]

MATRIX_METRICS = ("accuracy", "macro_f1_present")


@dataclass(frozen=True)
class MatrixRows:
    """The test rows.

    Attributes:
        labels: int64 [N].
        sources: data set of each row, object [N].
        clusters: int64 [N], equal numbers for rows of one picture, photo or person.
    """

    labels: np.ndarray
    sources: np.ndarray
    clusters: np.ndarray


def measure_matrix(
    tested: MatrixRows,
    answers: Mapping[str, Sequence[np.ndarray]],
    least: int,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    """Every cell of the matrix.

    Args:
        tested: N rows.
        answers: data set left out -> logits [N, 7] of each seed's training, in the same order of
            seeds; `NONE_LEFT_OUT` must be among them.
        least: a data set of fewer rows has no numbers.
        evaluation: section `evaluation`.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON: data set left out -> data set tested on -> n, groups, accuracy,
        macro_f1_present (means over the seeds), by_seed and, but for `NONE_LEFT_OUT`, their
        `difference` from it; or n and reason. Data sets tested on are in the order of those left
        out, and then by name.
    """
    cells: dict[str, dict[str, Any]] = {key: {} for key in answers}
    known = sorted(set(tested.sources.tolist()))
    for source in sorted(known, key=lambda name: [*answers, name].index(name)):
        mine = tested.sources == source
        labels, clusters = tested.labels[mine], tested.clusters[mine]
        if len(labels) < least:
            few = refused(len(labels), f"fewer than {least} test rows")
            cells = {key: found | {source: dict(few)} for key, found in cells.items()}
            continue
        about: dict[str, Any] = {"n": len(labels), "groups": len(np.unique(clusters))}
        if absent := [CLASSES[c] for c in range(N_CLASSES) if not (labels == c).any()]:
            about["without"] = ", ".join(absent)
        weights = list(stratified_weights(labels, evaluation.bootstrap, seed, clusters))
        drawn = {
            key: np.stack(
                [_drawn(logits[mine], labels, evaluation.bins, weights) for logits in some]
            )
            for key, some in answers.items()
        }
        for key, values in drawn.items():
            cells[key][source] = about | _intervals(values, 0.0)
            cells[key][source]["by_seed"] = {
                name: values[:, 0, i].round(6).tolist() for i, name in enumerate(MATRIX_METRICS)
            }
            if key != NONE_LEFT_OUT:
                cells[key][source]["difference"] = _intervals(values - drawn[NONE_LEFT_OUT])
    return cells


def _drawn(
    logits: np.ndarray, labels: np.ndarray, bins: int, weights: Sequence[np.ndarray]
) -> np.ndarray:
    """Metrics of the rows, then of each resample, float64 [1 + resamples, metrics]."""
    outcome = outcome_of(logits, labels, bins)
    return np.array(
        [list(measure(outcome, one, MATRIX_METRICS).values()) for one in (None, *weights)]
    )


def _intervals(values: np.ndarray, least: float = -1.0) -> dict[str, dict[str, float]]:
    """Means over seeds with their intervals, which allow for other seeds where there are several.

    Args:
        values: of `_drawn`, or differences of such, by seed [S, 1 + resamples, metrics].
        least: that a value can be; the greatest is 1.
    """
    found = {}
    for i, name in enumerate(MATRIX_METRICS):
        by_seed, mean = values[:, 0, i], values[:, :, i].mean(axis=0)
        over_rows = percentile_interval(float(mean[0]), mean[1:])
        ends = over_seeds(over_rows, by_seed.tolist()) or over_rows
        within = Interval(ends.value, max(least, ends.low), min(1.0, ends.high))
        found[name] = within.to_dict()
    return found
