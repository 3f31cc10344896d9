from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.live.smoothing import Smoother
from fer_core.live.specification import Smooth

rows = st.lists(st.floats(1e-6, 1), min_size=7, max_size=7).map(
    lambda row: np.array(row) / sum(row)
)
answers = st.lists(st.tuples(st.floats(0.001, 0.5), rows), min_size=1, max_size=15)
modes = st.sampled_from([Smooth(), Smooth(mode="original", window=5, minimum=3)])


@settings(deadline=None, max_examples=60)
@given(answers, modes)
def test_what_is_shown_are_probabilities_and_a_label_has_a_reason(
    given_answers: list,  # type: ignore[type-arg]
    rules: Smooth,
) -> None:
    smoother, time, since, before = Smoother(rules), 0.0, 0.0, None
    for step, row in given_answers:
        time += step
        shown = smoother.update(time, row)
        assert shown.sum() == pytest.approx(1) and (shown >= 0).all()
        if rules.mode == "time":
            if smoother.label != before:
                assert before is None or time - since >= rules.hold_s - 1e-6
                assert smoother.label is None or shown[smoother.label] >= rules.enter
                since = time
            elif smoother.label is not None and time - since >= rules.hold_s:
                assert shown[smoother.label] >= rules.leave
        before = smoother.label


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(2, 20))
def test_smoothing_follows_time_and_not_the_number_of_frames(row: np.ndarray, parts: int) -> None:
    """Of a picture that stands still, one late frame says as much as many in between."""
    start, few, many = np.full(7, 1 / 7), Smoother(Smooth()), Smoother(Smooth())
    few.update(0.0, start)
    many.update(0.0, start)
    for part in range(1, parts):
        many.update(0.5 * part / parts, row)
    np.testing.assert_allclose(few.update(0.5, row), many.update(0.5, row), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(answers)
def test_no_smoothing_shows_each_frame_s_own_answer(given_answers: list) -> None:  # type: ignore[type-arg]
    smoother, time = Smoother(Smooth(tau_s=0, hold_s=0, floor=1e-6)), 0.0
    for step, row in given_answers:
        time += step
        clipped = np.maximum(row, 1e-6)
        np.testing.assert_allclose(smoother.update(time, row), clipped / clipped.sum(), atol=1e-9)


def _one(label: int, value: float = 0.9) -> np.ndarray:
    row = np.full(7, (1 - value) / 6)
    row[label] = value
    return row


def test_mode_original_needs_a_lead_and_votes() -> None:
    smoother = Smoother(Smooth(mode="original"))
    labels = []
    for step in range(30):
        smoother.update(step / 30, _one(3 if step < 15 else 4))
        labels.append(smoother.name)
    assert labels[:7] == [None] * 7 and labels[7] == "Happy"
    # the average's lead turns at 1 - 2 * 0.7^n >= 0.08 / 0.883: n = 3; eight votes are there at 25
    assert labels[15:24] == ["Happy"] * 9 and labels[24] == "Sad"


def test_rules_may_change_on_the_way_and_another_mode_starts_anew() -> None:
    smoother = Smoother(Smooth())
    smoother.update(0.0, _one(3))
    smoother.rules = replace(smoother.rules, enter_of={"Happy": 0.99}, leave=0.1)
    smoother.update(0.5, _one(3))
    assert smoother.name == "Happy"
    smoother.rules = Smooth(mode="original")
    smoother.update(0.6, _one(3))
    assert smoother.name is None
    smoother.rules = replace(smoother.rules, window=3, minimum=1)
    smoother.update(0.7, _one(3))
    assert smoother.name == "Happy"
