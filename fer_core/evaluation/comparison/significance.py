"""Tests and intervals for two methods that were run with several seeds on the same test rows."""

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, stdtrit

from fer_core.evaluation.metrics.bootstrap import Interval

__all__ = ["discordant_pictures", "exact_mcnemar", "holm", "median_p", "over_seeds"]

_TAIL = 0.975


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p of McNemar's test: min(1, 2 P(X ≤ min)), X ~ Binomial(only_a + only_b,
    1/2); 1 where nothing is discordant.
    """
    return float(min(1.0, 2 * bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def discordant_pictures(
    right_a: np.ndarray, right_b: np.ndarray, pictures: np.ndarray
) -> tuple[int, int]:
    """Pictures of which a classifies more rows right than b, and the other way round: what
    McNemar's test is given.

    Rows of one picture share the answer and differ at most in the label, so they are no independent
    trials. A picture counts once, by the sign of the difference (a sign test over clusters); where
    each occurs once this is McNemar's own count of rows.

    Args:
        right_a, right_b: bool [N].
        pictures: int [N], equal numbers for rows of one picture.
    """
    lead = np.bincount(pictures, weights=right_a.astype(np.int64) - right_b.astype(np.int64))
    return int((lead > 0).sum()), int((lead < 0).sum())


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
