"""Tests and intervals for two methods that were run with several seeds on the same test rows."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit
from scipy.stats import binom

from fer_core.base.labels import N_CLASSES
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.evaluation.metrics.metrics import Outcome

__all__ = ["cluster_leads", "holm", "macro_f1_p", "median_p", "over_seeds", "sign_flip_p"]

_TAIL = 0.975
_PERMUTATIONS = 9_999
_SLACK = 1e-12
_MEMORY = 1 << 22  # swaps held at a time


def cluster_leads(right_a: np.ndarray, right_b: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Of each cluster, how many more of its rows a classifies right than b: int64 [C].

    Args:
        right_a, right_b: bool [N].
        clusters: int [N], equal numbers for rows of one cluster.
    """
    lead = right_a.astype(np.int64) - right_b.astype(np.int64)
    return np.bincount(clusters, weights=lead).astype(np.int64)


def sign_flip_p(leads: np.ndarray) -> float:
    """Two-sided exact p of the hypothesis that each cluster might as well have been the other way
    round: the share of all 2^C choices of signs whose |sum of leads| is no less than the observed.

    Rows of one cluster are no independent trials; a cluster is flipped as a whole, with all it
    weighs. Where each has one row this is McNemar's exact test. 1 where nothing leads.

    Args:
        leads: of `cluster_leads`.
    """
    sizes, counts = np.unique(np.abs(leads[leads != 0]), return_counts=True)
    chances = np.ones(1)  # of sum = 2 × place − total
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        steps = np.zeros(size * count + 1)
        steps[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, steps)
    sums = 2 * np.arange(len(chances)) - int((sizes * counts).sum())
    return min(1.0, float(chances[np.abs(sums) >= abs(int(leads.sum()))].sum()))


def macro_f1_p(
    a: Sequence[Outcome], b: Sequence[Outcome], clusters: np.ndarray, seed: int
) -> float:
    """Two-sided p of the hypothesis that methods a and b are exchangeable in macro-F1: a paired
    permutation test that swaps the answers of both in whole clusters, of all seeds alike.

    Args:
        a, b: the runs in pairs, on the same rows; the statistic is the mean difference.
        clusters: int [N], equal numbers for rows of one cluster.
        seed: of the permutations; one in ten thousand is the least p.
    """
    number = np.unique(clusters, return_inverse=True)[1]
    cells = N_CLASSES**2
    of_a, of_b = (
        np.stack(
            [
                np.bincount(number * cells + run.cell, minlength=cells * (number.max() + 1))
                for run in side
            ]
        )
        .reshape(len(side), -1, cells)
        .astype(np.float32)
        for side in (a, b)
    )
    whole = (of_a.sum(axis=1, keepdims=True), of_b.sum(axis=1, keepdims=True))
    change = of_b - of_a  # [seeds, clusters, cells]
    rng = np.random.default_rng(seed)

    def difference(moved: np.ndarray) -> np.ndarray:
        ahead, behind = (_macro_f1(whole[0] + moved), _macro_f1(whole[1] - moved))
        return np.asarray((ahead - behind).mean(axis=0))

    observed = abs(float(difference(np.zeros_like(whole[0]))[0])) - _SLACK
    extreme, most = 0, max(1, _MEMORY // change.shape[1])
    for start in range(0, _PERMUTATIONS, most):
        swapped = rng.random((min(most, _PERMUTATIONS - start), change.shape[1])) < 0.5
        moved = np.matmul(swapped.astype(np.float32), change)
        extreme += int((np.abs(difference(moved)) >= observed).sum())
    return (1 + extreme) / (1 + _PERMUTATIONS)


def _macro_f1(confusions: np.ndarray) -> np.ndarray:
    """Macro-F1 of flat confusion matrices [..., 49]."""
    square = confusions.reshape(*confusions.shape[:-1], N_CLASSES, N_CLASSES).astype(np.float64)
    both = square.sum(axis=-1) + square.sum(axis=-2)
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    return np.asarray(np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0).mean(-1))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of a family of p-values, in the order given."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def median_p(p: Sequence[float]) -> float:
    """One p-value from K that may depend on each other in any way: K / k times the k-th smallest, k
    = ⌈K / 2⌉ (Rüger 1978).
    """
    k = (len(p) + 1) // 2
    return min(1.0, len(p) / k * sorted(p)[k - 1])


def over_seeds(over_rows: Interval, by_seed: Sequence[float]) -> Interval | None:
    """The interval of a mean difference that allows for other seeds as well as for other test rows.

    Two sources of chance, added as the method of variance estimates recovery adds the half-widths
    of their intervals (Zou & Donner 2008): the test rows, by the interval given, and the seeds, by
    the paired t interval over the differences of each, with one degree of freedom less than there
    are seeds.

    Args:
        over_rows: 95 % interval of the mean over the seeds that were run.
        by_seed: the difference of each seed.

    Returns:
        None for one seed, which tells nothing of others.
    """
    count = len(by_seed)
    if count < 2:
        return None
    half = float(stdtrit(count - 1, _TAIL)) * float(np.std(by_seed, ddof=1)) / count**0.5
    value = over_rows.value
    return Interval(
        value,
        value - float(np.hypot(value - over_rows.low, half)),
        value + float(np.hypot(over_rows.high - value, half)),
    )
