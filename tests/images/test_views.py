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
MANY = sample_keys([f"source/{i}" for i in range(20_000)])


def test_view_of_an_image_does_not_depend_on_its_neighbours() -> None:
    ids = ["a/1", "b/2", "c/3"]
    together, alone = (
        view_params(sample_keys(ids), 3, OPTIONS),
        view_params(sample_keys(["c/3"]), 3, OPTIONS),
    )
    for name in vars(together):
        assert getattr(together, name)[2] == getattr(alone, name)[0]


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


def test_reversed_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="least, greatest"):
        ViewOptions(**(OPTIONS.model_dump() | {"scale": (1.0, 0.7)}))
