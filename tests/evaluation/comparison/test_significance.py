"""Tests and intervals over rows, pictures and seeds against references and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from fer_core.evaluation.comparison.significance import (
    discordant_pictures,
    exact_mcnemar,
    holm,
    median_p,
    over_seeds,
)
from fer_core.evaluation.metrics.bootstrap import Interval


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_scipys_binomial_test(b, c):
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1
    assert exact_mcnemar(b, c) == pytest.approx(expected, abs=1e-12)


def test_holm_follows_the_worked_example_and_keeps_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_never_lowers_a_p_and_keeps_their_order(p):
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    assert [adjusted[i] for i in np.argsort(p)] == sorted(adjusted)


def test_seeds_are_joined_without_counting_rows_twice():
    assert median_p([0.02]) == 0.02
    assert median_p([0.02, 0.5]) == 0.04
    assert median_p([0.01, 0.02, 0.9]) == pytest.approx(0.03)
    assert median_p([0.9, 0.9]) == 1


def test_a_picture_counts_once_however_many_rows_it_has():
    right_a = np.array([True, True, True, False, True, False])
    right_b = np.array([False, False, False, True, True, True])
    assert discordant_pictures(right_a, right_b, np.arange(6)) == (3, 2)
    # rows 0 and 1 are one picture, and rows 2 and 3, on which a and b are level
    assert discordant_pictures(right_a, right_b, np.array([0, 0, 1, 1, 2, 3])) == (1, 1)


def test_rows_alone_give_the_seeds_no_chance_and_seeds_alone_the_t_interval():
    by_seed = [0.02, 0.05, 0.01]
    value = float(np.mean(by_seed))
    expected = ttest_1samp(by_seed, 0).confidence_interval(0.95)
    found = over_seeds(Interval(value, value, value), by_seed)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    same = over_seeds(Interval(0.02, 0.01, 0.05), [0.02, 0.02, 0.02])
    assert same is not None
    assert (same.value, same.low, same.high) == pytest.approx((0.02, 0.01, 0.05))


def test_the_interval_over_seeds_is_wider_than_that_over_rows_and_one_seed_has_none():
    found = over_seeds(Interval(0.02, 0.01, 0.03), [0.01, 0.03])
    assert found is not None
    assert found.low < 0.01 and found.high > 0.03
    half = 12.706204736 * 0.0141421356 / 2**0.5
    assert found.low == pytest.approx(0.02 - (0.01**2 + half**2) ** 0.5)
    assert over_seeds(Interval(0.02, 0.01, 0.03), [0.02]) is None
