from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fer_core.live.scoring import Scored, difference, score, segments
from fer_core.live.specification import Score

labels = st.integers(-1, 6)
runs = st.lists(st.tuples(labels, labels, labels, st.integers(1, 15)), max_size=8)


def _frames(given_runs: list) -> list[Scored]:  # type: ignore[type-arg]
    rows = [run[:3] for run in given_runs for _ in range(run[3])]
    return [Scored(index / 10, *row) for index, row in enumerate(rows)]


@settings(deadline=None, max_examples=60)
@given(runs)
def test_scores_are_what_their_names_say(given_runs: list) -> None:  # type: ignore[type-arg]
    frames, rules = _frames(given_runs), Score(resamples=0)
    found = score(frames, rules)
    parts = segments(frames, rules)
    chosen = [frames[i] for part in parts for i in part.scored]
    for part in parts:
        assert {frames[i].manual for i in range(part.first, part.last + 1)} == {part.label}
    for kind in ("raw", "smoothed"):
        block = found["metrics"][kind]
        answers = [getattr(frame, kind) for frame in chosen]
        right = [answer == frame.manual for answer, frame in zip(answers, chosen, strict=True)]
        if not chosen:
            assert block["accuracy"] is None
            continue
        assert block["accuracy"] == pytest.approx(np.mean(right))
        assert block["coverage"] == pytest.approx(np.mean([answer >= 0 for answer in answers]))
        assert block["accuracy"] <= block["coverage"] + 1e-12
        matrix = np.array(block["confusion_matrix"])
        assert matrix.sum() + sum(block["uncertain"]) == len(chosen)
        assert 0 <= block["minority_f1_lowest3"] <= block["macro_f1_present"] <= 1
        assert block["macro_f1"] <= block["macro_f1_present"] + 1e-12


@settings(deadline=None, max_examples=60)
@given(runs)
def test_f1_is_that_of_scikit_learn_with_uncertain_as_a_class_of_its_own(given_runs: list) -> None:  # type: ignore[type-arg]
    frames = _frames(given_runs)
    chosen = [frames[i] for part in segments(frames, Score()) for i in part.scored]
    if not chosen:
        return
    truth, shown = [one.manual for one in chosen], [one.smoothed for one in chosen]
    expected = f1_score(truth, shown, labels=range(7), average=None, zero_division=0)
    found = score(frames, Score(resamples=0))["metrics"]["smoothed"]["per_class_f1"]
    np.testing.assert_allclose(list(found.values()), expected)


def _session(wrong: int) -> list[Scored]:
    """Ten segments of 2 s; in every other one the last `wrong` of 20 frames are wrong."""
    return [
        Scored(index / 10, label, label, (label + 1) % 7 if index % 40 >= 40 - wrong else label)
        for index in range(200)
        for label in [index // 20 % 7]
    ]


def test_intervals_hold_the_value_and_come_from_segments() -> None:
    found = score(_session(10), Score(resamples=300))
    low, high = found["intervals"]["smoothed"]["accuracy"]
    assert low < found["metrics"]["smoothed"]["accuracy"] < high
    assert found["intervals"]["raw"]["accuracy"] == [1.0, 1.0]
    assert found["intervals"]["difference"]["accuracy"][1] <= 0
    assert found == score(_session(10), Score(resamples=300)), "another time the same"


def test_two_sessions_of_the_same_labels_are_compared_pair_by_pair() -> None:
    found = difference([_session(12)], [_session(4)], [Score(resamples=300)])
    accuracy = found["accuracy"]
    assert accuracy["difference"] == pytest.approx(accuracy["after"] - accuracy["before"])
    assert 0 < accuracy["interval"][0] < accuracy["difference"] < accuracy["interval"][1]
    same = difference([_session(4)], [_session(4)], [Score(resamples=50)])
    assert same["macro_f1_present"]["interval"] == [0.0, 0.0]


def test_sessions_are_pooled_by_segments_and_nothing_flips_between_them() -> None:
    rules = [Score(resamples=300)] * 2
    two = difference([_session(12), _session(4)], [_session(4), _session(4)], rules)
    one = difference([_session(12)], [_session(4)], rules[:1])
    assert two["segments"] == 2 * one["segments"]
    assert two["accuracy"]["difference"] == pytest.approx(one["accuracy"]["difference"] / 2)
    doubled = difference([_session(4)] * 2, [_session(4)] * 2, rules)
    assert doubled["flips_per_min"]["before"] == pytest.approx(one["flips_per_min"]["after"])


def test_delay_is_that_of_the_first_right_frame_after_a_change() -> None:
    frames = [
        Scored(index / 10, 3 if index < 20 else 4, 0, 3 if index < 23 else 4) for index in range(40)
    ]
    delay = score(frames, replace(Score(), resamples=0))["switch_delay_ms"]
    assert delay["smoothed"]["median"] == pytest.approx(300)
    assert delay["raw"] == {"changes": 1, "never": 1, "median": None}


def test_the_same_label_after_a_pause_is_no_change() -> None:
    manual = [3] * 20 + [-1] * 5 + [3] * 20 + [4] * 20
    frames = [Scored(index / 10, label, label, label) for index, label in enumerate(manual)]
    delay = score(frames, Score(resamples=0))["switch_delay_ms"]["smoothed"]
    assert delay == {"changes": 1, "never": 0, "median": 0.0}
