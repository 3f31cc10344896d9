import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fer_core.evaluation.boards.leaderboard import oracle


def test_numbers_worked_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    hits = np.array([True, True, True, False, True, True])
    found = oracle(hits, labels, 100, 0)
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(5 / 6, abs=1e-6)
    assert found["per_class_f1"]["Angry"] == pytest.approx(2 * 0.75 / 1.75, abs=1e-6)
    assert list(found["per_class_f1"].values()).count(None) == 5
    assert found["metrics"]["macro_f1"]["value"] == pytest.approx(
        (2 * 0.75 / 1.75 + 1) / 7, abs=1e-6
    )


@given(st.integers(0, 10_000))
def test_no_choice_among_the_teachers_exceeds_it(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, 60)
    answers = np.where(rng.random((3, 60)) < 0.4, labels, rng.integers(0, 7, (3, 60)))
    hits = (answers == labels).any(axis=0)
    found = oracle(hits, labels, 100, 0)["metrics"]
    picked = answers[rng.integers(0, 3, 60), np.arange(60)]
    best = np.where(hits, labels, picked)
    for predictions in (picked, best):
        assert (predictions == labels).mean() <= found["accuracy"]["value"] + 1e-6
        macro = f1_score(labels, predictions, labels=range(7), average="macro", zero_division=0)
        assert macro <= found["macro_f1"]["value"] + 1e-6


def test_interval_holds_the_value_and_narrows_with_rows():
    widths = []
    for count in (70, 7000):
        labels = np.arange(count) % 7
        hits = np.random.default_rng(0).random(count) < 0.8
        interval = oracle(hits, labels, 200, 1)["metrics"]["accuracy"]
        assert interval["low"] < interval["value"] < interval["high"]
        widths.append(interval["high"] - interval["low"])
    assert widths[1] < widths[0] / 5
