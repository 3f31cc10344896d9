import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_core.images.views import (
    ViewOptions,
    sample_keys,
    student_view,
    teacher_view,
    view_params,
)

OPTIONS = ViewOptions(
    count=4,
    scale=(0.7, 1.0),
    ratio=(0.75, 1.333),
    flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.1,
    hue=0.02,
)
FURTHER = OPTIONS.model_copy(update={"rotation": 15.0, "shift": 0.1, "erase": 0.3})
MANY = sample_keys([f"source/{i}" for i in range(20_000)])


def test_view_of_an_image_does_not_depend_on_its_neighbours() -> None:
    ids = ["a/1", "b/2", "c/3"]
    together, alone = (
        view_params(sample_keys(ids), 3, FURTHER),
        view_params(sample_keys(["c/3"]), 3, FURTHER),
    )
    for name in vars(together):
        assert np.array_equal(getattr(together, name)[2], getattr(alone, name)[0])


@given(st.text(min_size=1), st.integers(1, 1 << 21))
def test_every_crop_lies_inside_the_image(sample_id: str, k: int) -> None:
    view = view_params(sample_keys([sample_id]), k, OPTIONS)
    for start, length in ((view.top, view.height), (view.left, view.width)):
        assert start[0] >= 0
        assert 0 < length[0] <= 1
        assert start[0] + length[0] <= 1 + 1e-6


def test_draws_have_the_distribution_they_are_declared_to_have() -> None:
    view = view_params(MANY, 1, OPTIONS)
    assert abs(view.flip.mean() - 0.5) < 0.02
    assert view.brightness.min() >= 0.8 - 1e-6
    assert view.brightness.max() <= 1.2 + 1e-6
    assert abs(view.brightness.mean() - 1) < 0.005
    assert abs(view.brightness.std() - 0.4 / np.sqrt(12)) < 0.003
    free = (view.height < 1) & (view.width < 1)
    area = (view.height * view.width)[free]
    assert area.min() >= 0.7 - 1e-5
    assert area.max() <= 1 + 1e-5


def test_rotation_shift_and_erasing_have_the_distribution_they_are_declared_to_have() -> None:
    view = view_params(MANY, 1, FURTHER)
    assert view.turn is not None
    assert view.erased is not None
    for column, strength in enumerate((np.deg2rad(15), 0.1, 0.1)):
        drawn = view.turn[:, column]
        assert np.abs(drawn).max() <= strength
        assert abs(drawn.mean()) < 0.02 * strength
        assert drawn.std() == pytest.approx(strength / np.sqrt(3), rel=0.02)
    top, left, height, width = view.erased.T
    erased = height > 0
    assert abs(erased.mean() - 0.3) < 0.01
    assert (height * width)[erased].min() >= 0.02 - 1e-9
    assert (height * width).max() <= 0.2 + 1e-9
    assert ((top + height <= 1) & (left + width <= 1) & (top >= 0) & (left >= 0)).all()


def test_what_is_switched_on_leaves_crop_and_colour_as_they_are() -> None:
    plain, further = view_params(MANY, 3, OPTIONS), view_params(MANY, 3, FURTHER)
    assert plain.turn is None
    assert plain.erased is None
    for name, values in vars(plain).items():
        assert values is None or np.array_equal(values, getattr(further, name))
    moved = view_params(MANY, 3, OPTIONS.model_copy(update={"shift": 0.1}))
    assert moved.turn is not None
    assert further.turn is not None
    assert np.array_equal(moved.turn[:, 1:], further.turn[:, 1:])
    assert not moved.turn[:, 0].any()


def test_views_and_draws_are_uncorrelated() -> None:
    first, second = view_params(MANY, 1, OPTIONS), view_params(MANY, 2, OPTIONS)
    assert abs(np.corrcoef(first.brightness, second.brightness)[0, 1]) < 0.03
    assert abs(np.corrcoef(first.brightness, first.contrast)[0, 1]) < 0.03


def test_teachers_never_train_on_a_stored_view() -> None:
    stored = {student_view(epoch, 64) for epoch in range(200)}
    assert stored == set(range(1, 65))
    assert stored.isdisjoint(teacher_view(epoch) for epoch in range(200))


def test_evaluation_view_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="evaluation view"):
        view_params(MANY, 0, OPTIONS)


def test_first_uniform_number_is_that_of_the_published_generator() -> None:
    """SplitMix64 seeded with 1234567 begins with 6457827717110365317 (the test vector of Vigna's
    reference code).
    """
    from fer_core.images.views import _GOLDEN, _mix

    with np.errstate(over="ignore"):
        assert int(_mix(np.array([1234567], dtype=np.uint64) + _GOLDEN)[0]) == 6457827717110365317


def test_hash_follows_the_options() -> None:
    assert OPTIONS.hash() == OPTIONS.model_copy().hash()
    assert OPTIONS.hash() != OPTIONS.model_copy(update={"flip": 0.4}).hash()
    assert (
        len({OPTIONS.hash(), FURTHER.hash(), FURTHER.model_copy(update={"erase": 0}).hash()}) == 3
    )


def test_what_is_switched_off_is_no_part_of_the_hash() -> None:
    """So that views of before it could be asked for are still known."""
    assert OPTIONS.model_copy(update={"rotation": 0.0, "erase": 0.0}).hash() == OPTIONS.hash()
    assert set(OPTIONS.to_dict()) == set(ViewOptions.model_fields) - {
        "rotation",
        "shift",
        "erase",
        "erase_area",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rotation": 91}, "rotation"),
        ({"shift": 1.0}, "shift"),
        ({"erase": 1.1}, "erase"),
        ({"erase_area": (0.0, 0.2)}, "erase_area"),
        ({"erase_area": (0.3, 0.2)}, "least, greatest"),
    ],
)
def test_options_that_cannot_be_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ViewOptions(**(OPTIONS.model_dump() | change))


def test_reversed_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="least, greatest"):
        ViewOptions(**(OPTIONS.model_dump() | {"scale": (1.0, 0.7)}))
