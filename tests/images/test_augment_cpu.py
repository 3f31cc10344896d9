"""The CPU's way through OpenCV gives the views that the batched way gives."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.images.augment import evaluation_view, training_view
from fer_core.images.augment_cpu import CpuViews
from fer_core.images.views import ViewOptions, ViewParams, boxes, sample_keys, view_params
from fer_core.pixels.preprocessing import Preprocessing
from tests.sources.trees import picture

STRONG = ViewOptions(
    count=2,
    scale=(0.3, 1.0),
    ratio=(0.6, 1.7),
    flip=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.2,
)
FURTHER = {"rotation": 20.0, "shift": 0.15, "erase": 0.5, "erase_area": (0.02, 0.4)}


def preprocessing(size: int = 40, clahe: bool = False, crop: float = 1.0) -> Preprocessing:
    return Preprocessing(size, crop, clahe, 2.0, 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def held(count: int, side: int) -> np.ndarray:
    return np.stack([picture(seed, side, side) for seed in range(count)])


def both_ways(
    value: Preprocessing, images: np.ndarray, view: ViewParams
) -> tuple[torch.Tensor, torch.Tensor]:
    batched = training_view(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), view, value)
    looped = CpuViews(value, 1).training(images, np.arange(len(images)), view)
    assert batched.shape == looped.shape == (len(images), 3, value.size, value.size)
    return levels(batched), levels(looped)


def levels(images: torch.Tensor) -> torch.Tensor:
    """The pixels of images normalised by mean 0 and std 1; rounding in the last bit is undone,
    anything more is not.
    """
    pixels = (images * 255).round()
    assert (images * 255 - pixels).abs().max() < 1e-4
    return pixels


@settings(max_examples=30, deadline=None)
@given(
    k=st.integers(1, 1 << 21),
    size=st.sampled_from([24, 40, 56]),
    crop=st.sampled_from([1.0, 0.8]),
    clahe=st.booleans(),
    further=st.booleans(),
)
def test_training_views_of_both_ways_agree_within_one_level(
    k: int, size: int, crop: float, clahe: bool, further: bool
) -> None:
    value = preprocessing(size, clahe, crop)
    options = STRONG.model_copy(update=FURTHER) if further else STRONG
    batched, looped = both_ways(
        value,
        held(6, value.resized),
        view_params(sample_keys([str(i) for i in range(6)]), k, options),
    )
    assert (batched - looped).abs().max() <= 1
    assert (batched != looped).float().mean() < 0.1  # OpenCV's colour sums are rounded to 1/1024


@pytest.mark.parametrize("further", [{}, FURTHER], ids=["crop", "rotation, shift and erasing"])
@pytest.mark.parametrize("clahe", [False, True])
def test_views_without_colour_are_equal_bit_for_bit(
    clahe: bool, further: dict[str, object]
) -> None:
    plain = ViewOptions(
        count=2,
        scale=(0.2, 1.0),
        ratio=(0.5, 2.0),
        flip=0.5,
        brightness=0,
        contrast=0,
        saturation=0,
        hue=0,
    ).model_copy(update=further)
    value = preprocessing(56, clahe)
    for k in range(1, 6):
        view = view_params(sample_keys([str(i) for i in range(8)]), k, plain)
        assert torch.equal(*both_ways(value, held(8, 56), view))


@pytest.mark.parametrize("clahe", [False, True])
def test_evaluation_views_of_both_ways_are_equal(clahe: bool) -> None:
    value = preprocessing(clahe=clahe, crop=0.8)
    images = held(5, value.resized)
    batched = evaluation_view(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), value)
    assert torch.equal(levels(batched), levels(CpuViews(value, 2).evaluation(images, np.arange(5))))


def test_results_do_not_depend_on_threads_or_on_what_else_is_drawn() -> None:
    images = held(7, 40)
    view = view_params(sample_keys([str(i) for i in range(7)]), 1, STRONG)
    one = CpuViews(preprocessing(clahe=True), 1).training(images, np.arange(7), view)
    assert torch.equal(
        one, CpuViews(preprocessing(clahe=True), 3).training(images, np.arange(7), view)
    )
    alone = view_params(sample_keys(["4"]), 1, STRONG)
    assert torch.equal(
        one[4:5], CpuViews(preprocessing(clahe=True), 1).training(images, np.array([4]), alone)
    )


def test_mean_and_std_are_those_of_each_channel() -> None:
    value = Preprocessing(24, 1.0, False, 2.0, 4, (0.1, 0.2, 0.3), (0.5, 0.25, 0.125))
    images = held(1, 24)
    expected = (images[0] / 255 - np.array(value.mean)) / np.array(value.std)
    np.testing.assert_allclose(
        CpuViews(value, 1).evaluation(images, np.array([0]))[0].permute(1, 2, 0),
        expected,
        atol=1e-5,
    )


@given(side=st.integers(16, 300), k=st.integers(1, 1000))
def test_boxes_lie_in_the_image(side: int, k: int) -> None:
    top, left, height, width = boxes(view_params(sample_keys(["a", "b", "c"]), k, STRONG), side).T
    for start, length in ((top, height), (left, width)):
        assert (start >= 0).all() and (length >= 1).all() and (start + length <= side).all()
