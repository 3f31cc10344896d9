"""Tests and intervals over rows, pictures and seeds against references and hand-computed values."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test, ttest_1samp
from sklearn.metrics import f1_score

from fer_core.evaluation.comparison.significance import (
    cluster_leads,
    holm,
    macro_f1_p,
    median_p,
    over_seeds,
    sign_flip_p,
)
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.evaluation.metrics.metrics import outcome_of
from tests.arrange_logits import noisy_logits


@given(st.integers(0, 60), st.integers(0, 60))
def test_one_row_a_cluster_is_mcnemars_exact_test(b, c):
    leads = np.r_[np.ones(b), -np.ones(c), np.zeros(5)].astype(int)
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1
    assert sign_flip_p(leads) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(-4, 4), max_size=10))
def test_the_sign_flip_test_counts_every_choice_of_signs(leads):
    """Against all 2^C of them, one by one."""
    choices = itertools.product((-1, 1), repeat=len(leads))
    sums = [abs(sum(s * lead for s, lead in zip(signs, leads, strict=True))) for signs in choices]
    expected = np.mean([found >= abs(sum(leads)) for found in sums])
    assert sign_flip_p(np.array(leads, dtype=int)) == pytest.approx(expected, abs=1e-12)


def test_the_permutation_test_agrees_with_scipy_on_rows():
    labels = np.arange(140) % 7
    logits = [noisy_logits(labels, seed, skill) for seed, skill in ((1, 1.3), (2, 1.0))]
    a, b = (one.argmax(axis=1) for one in logits)

    def lead(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        x, y = (one.reshape(-1, 140) for one in (x, y))
        return np.array(
            [
                f1_score(labels, p, average="macro") - f1_score(labels, q, average="macro")
                for p, q in zip(x, y, strict=True)
            ]
        )

    expected = permutation_test(
        (a, b), lead, permutation_type="samples", n_resamples=999, rng=0, axis=0
    ).pvalue
    runs = [outcome_of(one, labels, 15) for one in logits]
    found = macro_f1_p(runs[:1], runs[1:], np.arange(140), seed=1)
    assert 0.001 < expected < 0.5 and found == pytest.approx(expected, abs=0.03)


def test_a_method_is_never_told_from_itself_and_sides_are_symmetric():
    labels = np.arange(140) % 7
    a, b = (outcome_of(noisy_logits(labels, seed), labels, 15) for seed in (1, 2))
    clusters = np.arange(140) // 2
    assert macro_f1_p([a], [a], clusters, 1) == 1
    assert macro_f1_p([a], [b], clusters, 1) == macro_f1_p([b], [a], clusters, 1)
    assert macro_f1_p([a, a], [b, b], clusters, 1) == macro_f1_p([a], [b], clusters, 1)


FRAMES = np.repeat(np.arange(100), 3)
"""A hundred groups of three frames."""


def frames_right(rng: np.random.Generator) -> np.ndarray:
    """Which frames are right, bool [300]: a frame takes its group's answer in nine of ten cases,
    else one of its own.
    """
    of_group, own = rng.random(100) < 0.7, rng.random(300) < 0.7
    return np.where(rng.random(300) < 0.9, of_group[FRAMES], own)


def test_a_row_mcnemar_rejects_a_true_null_too_often_and_flips_of_groups_do_not():
    rng, rows, groups = np.random.default_rng(0), 0, 0
    for _ in range(600):
        a, b = frames_right(rng), frames_right(rng)
        rows += sign_flip_p(cluster_leads(a, b, np.arange(300))) < 0.05
        groups += sign_flip_p(cluster_leads(a, b, FRAMES)) < 0.05
    assert 0.12 < rows / 600 < 0.24
    assert 0.02 < groups / 600 < 0.08


def test_a_permutation_of_groups_rejects_a_true_null_in_one_of_twenty():
    rng, labels = np.random.default_rng(0), (np.arange(300) // 3) % 7
    rejected = {"rows": 0, "groups": 0}
    for trial in range(120):
        runs = []
        for _ in range(2):
            wrong = (labels + 1 + rng.integers(0, 6, 100)[FRAMES]) % 7
            answers = np.where(frames_right(rng), labels, wrong)
            runs.append([outcome_of(np.eye(7)[answers], labels, 15)])
        for name, clusters in (("rows", np.arange(300)), ("groups", FRAMES)):
            rejected[name] += macro_f1_p(*runs, clusters, trial) < 0.05
    assert rejected["groups"] <= 13 < rejected["rows"]


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


def test_a_cluster_leads_by_its_rows():
    right_a = np.array([True, True, True, False, True, False])
    right_b = np.array([False, False, False, True, True, True])
    assert cluster_leads(right_a, right_b, np.arange(6)).tolist() == [1, 1, 1, -1, 0, -1]
    # rows 0 and 1 are one cluster, and rows 2 and 3, on which a and b are level
    assert cluster_leads(right_a, right_b, np.array([0, 0, 1, 1, 2, 3])).tolist() == [2, 0, 0, -1]


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
