from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.live.specification import Track
from fer_core.live.tracking import Box, Tracker, iou

sides = st.integers(1, 60)
boxes = st.tuples(st.integers(0, 200), st.integers(0, 200), sides, sides)
frames = st.lists(st.tuples(st.floats(0, 0.8), st.lists(boxes, max_size=5)), max_size=12)


@settings(deadline=None, max_examples=60)
@given(frames)
def test_numbers_are_of_one_face_each_and_never_given_twice(given_frames: list) -> None:  # type: ignore[type-arg]
    tracker, time, seen, last = Tracker(Track()), 0.0, set(), {}
    for step, found in given_frames:
        time += step
        numbers = tracker.update(time, found)
        assert len(numbers) == len(found) == len(set(numbers))
        for number in numbers:
            assert number in last or number not in seen, "a number came back from the dead"
        seen |= set(numbers)
        last = dict.fromkeys(numbers, time) | {
            number: at for number, at in last.items() if number not in numbers
        }
        living = {number for number, at in last.items() if time - at <= 0.5 + 1e-9}
        assert set(tracker.living) == living
        last = {number: at for number, at in last.items() if number in living}
        assert tracker.main is None or tracker.main in living


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes, min_size=1, max_size=4), st.permutations(range(4)))
def test_the_order_of_boxes_does_not_matter_for_faces_that_stay(found: list, order: list) -> None:  # type: ignore[type-arg]
    apart = [(300 * place + x, y, w, h) for place, (x, y, w, h) in enumerate(found)]
    tracker = Tracker(Track())
    before = dict(zip(apart, tracker.update(0.0, apart), strict=True))
    mixed = [apart[place] for place in order if place < len(apart)]
    assert tracker.update(0.1, mixed) == [before[box] for box in mixed]


@settings(deadline=None, max_examples=60)
@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(one: Box, other: Box) -> None:
    assert 0 <= iou(one, other) == iou(other, one) <= 1
    assert iou(one, one) == 1


def test_two_faces_that_pass_each_other_keep_their_numbers() -> None:
    """One high, one low: their boxes touch when they pass."""
    tracker = Tracker(Track())
    for step in range(41):
        left, right = (10.0 * step, 0.0, 40.0, 50.0), (400.0 - 10 * step, 30.0, 40.0, 50.0)
        assert tracker.update(step / 30, [left, right]) == [1, 2]


def test_the_main_face_can_be_chosen_among_the_living() -> None:
    tracker = Tracker(Track())
    tracker.update(0.0, [(0, 0, 50, 50), (100, 0, 20, 20)])
    tracker.main = 2
    tracker.update(0.1, [(0, 0, 50, 50), (100, 0, 20, 20)])
    assert tracker.main == 2
