import time

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.bootstrap import (
    confidence_intervals,
    paired_differences,
    percentile_interval,
    stratified_weights,
)
from fer_core.evaluation.metrics.metrics import METRICS, measure, outcome_of
from tests.arrange_logits import noisy_logits


def labels_of(count: int) -> np.ndarray:
    return np.random.default_rng(0).choice(7, count, p=[0.05, 0.02, 0.1, 0.4, 0.2, 0.13, 0.1])


def test_every_resample_has_as_many_rows_of_each_label():
    labels = labels_of(500)
    for weights in stratified_weights(labels, 20, seed=1):
        np.testing.assert_array_equal(
            np.bincount(labels, weights, 7), np.bincount(labels, minlength=7)
        )


def test_rows_are_drawn_evenly_and_the_seed_decides():
    labels = labels_of(50)
    drawn = np.array(list(stratified_weights(labels, 4000, seed=1)))
    assert np.abs(drawn.mean(0) - 1).max() < 0.1
    np.testing.assert_array_equal(drawn[:5], list(stratified_weights(labels, 5, seed=1)))
    assert not np.array_equal(drawn[0], next(stratified_weights(labels, 1, seed=2)))


def test_a_cluster_is_drawn_with_all_its_rows_and_single_rows_change_nothing():
    labels = labels_of(60)
    clusters = np.r_[
        np.arange(50), np.arange(10)
    ]  # the last ten rows repeat the first ten, some with another label
    drawn = np.array(list(stratified_weights(labels, 2000, 1, clusters)))
    np.testing.assert_array_equal(drawn[:, :10], drawn[:, 50:])
    np.testing.assert_array_equal(
        [np.bincount(labels[:50], one[:50], 7) for one in drawn[:9]],
        [np.bincount(labels[:50], minlength=7)] * 9,
    )
    assert np.abs(drawn.mean(0) - 1).max() < 0.15
    alone = list(stratified_weights(labels, 5, 1))
    np.testing.assert_array_equal(
        alone, list(stratified_weights(labels, 5, 1, np.arange(100, 160)))
    )


def test_a_row_that_stands_twice_tells_no_more_than_one():
    labels = labels_of(400)
    logits = noisy_logits(labels, 1)
    once = confidence_intervals(outcome_of(logits, labels, 15), 400, 1, ["nll"])["nll"]
    twice = outcome_of(np.r_[logits, logits], np.r_[labels, labels], 15)
    together = confidence_intervals(twice, 400, 1, ["nll"], np.r_[np.arange(400), np.arange(400)])[
        "nll"
    ]
    apart = confidence_intervals(twice, 400, 1, ["nll"])["nll"]
    assert (together.low, together.high) == pytest.approx((once.low, once.high))
    assert apart.high - apart.low < 0.8 * (once.high - once.low)


def test_interval_of_nll_agrees_with_scipy_within_one_stratum():
    labels = np.zeros(400, dtype=int)
    outcome = outcome_of(noisy_logits(labels, 1), labels, 15)
    ours = confidence_intervals(outcome, 4000, seed=1)["nll"]
    reference = scipy_bootstrap(
        (outcome.nll,), np.mean, n_resamples=4000, method="percentile", rng=0
    ).confidence_interval
    width = reference.high - reference.low
    assert ours.low == pytest.approx(reference.low, abs=0.05 * width)
    assert ours.high == pytest.approx(reference.high, abs=0.05 * width)


def test_intervals_hold_the_value_and_narrow_with_more_rows():
    widths = []
    for count in (300, 4800):
        labels = labels_of(count)
        found = confidence_intervals(outcome_of(noisy_logits(labels, 1), labels, 15), 400, seed=1)
        assert list(found) == list(METRICS)
        assert all(item.low <= item.value <= item.high for item in found.values())
        widths.append(found["macro_f1"].high - found["macro_f1"].low)
    assert widths[1] < widths[0] / 2.5  # by the square root of 16, roughly


def test_interval_covers_the_truth_about_as_often_as_it_says():
    population = labels_of(40_000)
    logits = noisy_logits(population, 1)
    truth = measure(outcome_of(logits, population, 15), names=["accuracy"])["accuracy"]
    hits = 0
    for start in range(0, 40_000, 400):
        part = slice(start, start + 400)
        found = confidence_intervals(
            outcome_of(logits[part], population[part], 15), 200, seed=1, names=["accuracy"]
        )["accuracy"]
        hits += found.low <= truth <= found.high
    assert 88 <= hits <= 100


@pytest.mark.parametrize("faces", [3, 10])
def test_intervals_of_few_faces_hold_the_truth_as_often_as_they_say(faces: int):
    """Three faces a class: drawn within each class, resamples say far too little of other faces."""
    labels, random = np.repeat(np.arange(7), faces), np.random.default_rng(5)
    chances = np.array([0.95, 0.9, 0.5, 0.9, 0.4, 0.8, 0.7])  # of each class to be right
    truth, held, held_before = chances.mean(), 0, 0
    for seed in range(200):
        right = random.random(len(labels)) < chances[labels]
        said = np.where(right, labels, (labels + 1) % 7)
        logits = 3.0 * np.eye(7)[said]
        outcome = outcome_of(logits, labels, 15)
        found = confidence_intervals(outcome, 60, seed, ("accuracy",))["accuracy"]
        held += found.low <= truth <= found.high
        drawn = [right @ weights / len(right) for weights in stratified_weights(labels, 60, seed)]
        plain = percentile_interval(float(right.mean()), np.array(drawn))
        held_before += plain.low <= truth <= plain.high
    assert held >= 0.94 * 200 and held_before <= {3: 0.85, 10: 0.93}[faces] * 200


def test_where_every_class_has_thirty_faces_the_interval_is_the_bootstraps():
    labels = np.repeat(np.arange(7), 30)
    for short, floor in ((labels, False), (labels[1:], True)):
        outcome = outcome_of(noisy_logits(short, 1), short, 15)
        found = confidence_intervals(outcome, 100, 1, ("accuracy",))["accuracy"]
        right = outcome_of(noisy_logits(short, 1), short, 15)
        drawn = [
            measure(right, w, ("accuracy",))["accuracy"] for w in stratified_weights(short, 100, 1)
        ]
        plain = percentile_interval(found.value, np.array(drawn))
        assert (found == plain) is not floor


def test_rows_alone_cover_too_seldom_and_groups_as_often_as_they_say():
    """A hundred groups of three frames that agree in nine of ten cases."""
    rng, groups, truth = np.random.default_rng(0), np.repeat(np.arange(100), 3), 0.7
    labels, hits = np.zeros(300, dtype=int), {"rows": 0, "groups": 0}
    for trial in range(300):
        of_group, own = rng.random(100) < truth, rng.random(300) < truth
        right = np.where(rng.random(300) < 0.9, of_group[groups], own)
        for name, clusters in (("rows", None), ("groups", groups)):
            drawn = [w @ right / 300 for w in stratified_weights(labels, 200, trial, clusters)]
            found = percentile_interval(right.mean(), np.array(drawn))
            hits[name] += found.low <= truth <= found.high
    assert 0.67 < hits["rows"] / 300 < 0.83
    assert 0.91 < hits["groups"] / 300 < 0.98


def test_pairing_narrows_the_difference_of_similar_models():
    labels = labels_of(600)
    a = noisy_logits(labels, 1)
    b = a + 0.2 * noisy_logits(labels, 2)
    one, two = outcome_of(a, labels, 15), outcome_of(b, labels, 15)
    paired = paired_differences([two], [one], ["macro_f1", "nll"], 400, seed=1)
    alone = confidence_intervals(one, 400, seed=1)
    for name in ("macro_f1", "nll"):
        assert paired[name].value == pytest.approx(measure(two)[name] - measure(one)[name])
        assert paired[name].high - paired[name].low < 0.7 * (alone[name].high - alone[name].low)


def test_a_model_never_differs_from_itself_and_sides_are_symmetric():
    labels = labels_of(300)
    a, b = (outcome_of(noisy_logits(labels, seed), labels, 15) for seed in (1, 2))
    same = paired_differences([a], [a], ["macro_f1"], 200, seed=1)["macro_f1"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    there, back = (
        paired_differences([a], [b], ["nll"], 200, 1)["nll"],
        paired_differences([b], [a], ["nll"], 200, 1)["nll"],
    )
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low)
    )


def test_difference_is_of_the_mean_over_seeds():
    labels = labels_of(300)
    runs = [outcome_of(noisy_logits(labels, seed), labels, 15) for seed in range(4)]
    found = paired_differences(runs[:2], runs[2:], ["macro_f1"], 100, seed=1)["macro_f1"].value
    values = [measure(run)["macro_f1"] for run in runs]
    assert found == pytest.approx(np.mean(values[:2]) - np.mean(values[2:]))


def test_runs_of_other_rows_are_refused():
    labels = labels_of(50)
    one = outcome_of(noisy_logits(labels, 1), labels, 15)
    other = outcome_of(noisy_logits(labels[::-1], 1), labels[::-1], 15)
    with pytest.raises(ArtifactError, match="same rows"):
        paired_differences([one], [other], ["nll"], 100, 1)
    with pytest.raises(ArtifactError, match="each side"):
        paired_differences([], [one], ["nll"], 100, 1)


def test_a_thousand_resamples_of_14000_rows_take_seconds():
    labels = labels_of(14_000)
    outcome = outcome_of(noisy_logits(labels, 1), labels, 15)
    start = time.process_time()
    confidence_intervals(outcome, 1000, seed=1)
    assert time.process_time() - start < 8  # about 1 on an idle machine
