"""Confidence intervals by the stratified percentile bootstrap (Efron & Tibshirani 1993).

A resample draws, within each label, as many clusters as there are, with replacement, and takes all
rows of a cluster that it draws (Davison & Hinkley 1997, 3.8). A cluster is what one picture, photo,
subject or session connects; where each row is alone, clusters are rows. A resample is kept as a
weight for each row. The same seed, labels and clusters give the same resamples, so two models
measured on the same rows are always compared row by row.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.base.errors import ArtifactError
from fer_core.base.logs import progress_off
from fer_core.evaluation.metrics.metrics import METRICS, Outcome, measure

__all__ = [
    "Interval",
    "confidence_intervals",
    "interval_of",
    "paired_differences",
    "percentile_interval",
    "shifted_interval",
    "stratified_weights",
    "wilson",
]

_LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.975)
_FEW = 30
_SHARES = frozenset({"accuracy", "macro_f1"})
_BIASED = ("ece", "ece_equal_mass", "classwise_ece")


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference of this interval is shown."""
        return self.low > 0 or self.high < 0

    @property
    def from_zero(self) -> "Interval":
        """The same for what cannot be negative."""
        return replace(self, low=max(self.low, 0.0), high=max(self.high, 0.0))

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON, rounded to six decimals, so that they do not depend on a machine's
        last bits.
        """
        return {
            "value": round(self.value, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
        }


def stratified_weights(
    labels: np.ndarray, resamples: int, seed: int, clusters: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield `resamples` times int64 [N]: how often each row is drawn.

    Args:
        labels: [N]; where the rows of a cluster have different ones, it is drawn among those of its
            first row's.
        resamples: how many.
        seed: of the draws.
        clusters: int [N], equal numbers for rows of one cluster; None where each row is a cluster
            of its own. Then the weights of a label's rows sum to their number; else this holds of
            clusters.
    """
    rng = np.random.default_rng(seed)
    cluster_of_row = (
        np.arange(len(labels)) if clusters is None else pd.factorize(np.asarray(clusters))[0]
    )
    labels = np.asarray(labels)[np.unique(cluster_of_row, return_index=True)[1]]
    by_label = np.argsort(labels, kind="stable")
    _, start, size = np.unique(labels[by_label], return_index=True, return_counts=True)
    start, size = np.repeat(start, size), np.repeat(size, size)
    weights = np.empty(len(by_label), dtype=np.int64)
    for _ in range(resamples):
        drawn = start + (rng.random(len(by_label)) * size).astype(np.int64)
        weights[by_label] = np.bincount(drawn, minlength=len(by_label))
        yield weights[cluster_of_row]


def confidence_intervals(
    outcome: Outcome,
    resamples: int,
    seed: int,
    names: Sequence[str] = METRICS,
    clusters: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Metrics of one model with their intervals over the choice of test clusters (see
    `stratified_weights`).

    The intervals of ece, ece_equal_mass and classwise_ece are those of `shifted_interval`, and end
    at 0.

    A class of few clusters hardly varies from resample to resample, and one that is all right not
    at all: where a class has fewer than 30, accuracy and macro-F1 are no better known than a share
    of so many clusters (`wilson`).
    """
    value = measure(outcome, names=names)
    resampled = stratified_weights(outcome.labels, resamples, seed, clusters)
    drawn = np.array([list(measure(outcome, weights, names).values()) for weights in resampled])
    intervals = {}
    for column, name in enumerate(value):
        intervals[name] = (
            shifted_interval(value[name], drawn[:, column]).from_zero
            if name in _BIASED
            else percentile_interval(value[name], drawn[:, column])
        )
    least, count = _clusters(outcome.labels, clusters)
    if least < _FEW:
        for name in _SHARES & intervals.keys():
            found, floor = intervals[name], wilson(intervals[name].value, count)
            low, high = min(found.low, floor.low), max(found.high, floor.high)
            intervals[name] = Interval(found.value, low, high)
    return intervals


def wilson(share: float, count: float) -> Interval:
    """A share of so many draws with Wilson's interval (JASA 1927), which is not empty where all or
    none are right.
    """
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    spread = share * (1 - share) / count + _Z**2 / (4 * count**2)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(spread)
    return Interval(share, middle - half, middle + half)


def _clusters(labels: np.ndarray, clusters: np.ndarray | None) -> tuple[int, int]:
    """Number of clusters of the class that has the fewest, and of all."""
    if clusters is None:
        clusters = np.arange(len(labels))
    counts = [len(np.unique(clusters[labels == label])) for label in np.unique(labels)]
    return min(counts, default=0), len(np.unique(clusters))


def interval_of(
    statistic: Callable[[np.ndarray], float], weights: Sequence[np.ndarray]
) -> Interval:
    """A statistic of weighted rows with its interval.

    Args:
        statistic: of weights int64 [N] how often each row counts; nan where they leave nothing.
        weights: resamples, of `stratified_weights`; two statistics of the same ones are compared
            row by row.
    """
    drawn = np.array([statistic(one) for one in weights])
    value = statistic(np.ones_like(weights[0]))
    return percentile_interval(value, drawn[np.isfinite(drawn)])


def paired_differences(
    a: Sequence[Outcome],
    b: Sequence[Outcome],
    names: Sequence[str],
    resamples: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict[str, Interval]:
    """Difference a − b of the mean over each method's seeds, with intervals over the choice of test
    clusters.

    Every resample takes the same rows for all runs. The seeds are taken as given: the interval says
    nothing of other seeds (for these see `significance.over_seeds`).

    Raises:
        ArtifactError: a side without runs, or runs that do not share rows.
    """
    if not a or not b:
        raise ArtifactError(
            "A comparison needs a run on each side.", found=f"{len(a)} and {len(b)} runs"
        )
    labels = a[0].labels
    if any(not np.array_equal(labels, run.labels) for run in (*a, *b)):
        raise ArtifactError(
            "Runs compared with each other must be of the same rows.",
            found=[len(run) for run in (*a, *b)],
        )

    def difference(weights: np.ndarray | None) -> list[float]:
        sides = [[list(measure(run, weights, names).values()) for run in side] for side in (a, b)]
        return list(np.mean(sides[0], axis=0) - np.mean(sides[1], axis=0))

    value = difference(None)
    resampled = stratified_weights(labels, resamples, seed, clusters)
    bar = tqdm(resampled, total=resamples, desc="bootstrap", leave=False, disable=progress_off())
    drawn = np.array([difference(weights) for weights in bar])
    ordered = [name for name in METRICS if name in names]
    return {
        name: percentile_interval(float(value[i]), drawn[:, i]) for i, name in enumerate(ordered)
    }


def percentile_interval(value: float, drawn: np.ndarray) -> Interval:
    """A value with the percentiles of its resamples [R] as the ends of its interval."""
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def shifted_interval(value: float, drawn: np.ndarray) -> Interval:
    """A calibration error with its interval. Resamples [R] repeat rows and so always show a greater
    gap than the sample itself; their percentiles are shifted down by this bias, their mean minus
    the value.
    """
    return percentile_interval(value, drawn - (drawn.mean() - value))
