import dataclasses

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fer_core.images import augment
from fer_core.images.augment import evaluation_view, training_view
from fer_core.images.views import ViewParams
from fer_core.pixels.preprocessing import Preprocessing

SHAPE = (3, 40, 40)


def preprocessing(**changes: object) -> Preprocessing:
    values = {
        "size": 40,
        "crop": 1.0,
        "clahe": False,
        "clahe_clip": 2.0,
        "clahe_tile": 4,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
    }
    return Preprocessing(**(values | changes))


def view(count: int, **changes: float | bool) -> ViewParams:
    values: dict[str, float | bool] = {
        "top": 0.0,
        "left": 0.0,
        "height": 1.0,
        "width": 1.0,
        "flip": False,
        "brightness": 1.0,
        "contrast": 1.0,
        "saturation": 1.0,
        "hue": 0.0,
    }
    kinds = {"flip": np.bool_}
    return ViewParams(
        **{
            name: np.full(count, value, kinds.get(name, np.float32))
            for name, value in (values | changes).items()
        }
    )


def images(count: int = 3) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    )


def test_view_without_changes_is_the_image() -> None:
    pixels = images()
    assert torch.allclose(training_view(pixels, view(3), preprocessing()), pixels / 255, atol=2e-6)


@pytest.mark.parametrize("crop", [1.0, 0.8])
@pytest.mark.parametrize("clahe", [False, True])
def test_evaluation_view_equals_preparation_of_the_file(crop: float, clahe: bool) -> None:
    value = preprocessing(crop=crop, clahe=clahe)
    original = np.random.default_rng(1).integers(0, 256, (61, 77, 3), dtype=np.uint8)
    banked = torch.from_numpy(value.square(original).transpose(2, 0, 1).copy())[None]
    seen = (
        (evaluation_view(banked, value)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    )
    assert np.array_equal(seen, value.prepare(original))


def test_flip_mirrors() -> None:
    pixels = images()
    assert torch.allclose(
        training_view(pixels, view(3, flip=True), preprocessing()), pixels.flip(3) / 255, atol=2e-6
    )


def test_crop_shows_the_chosen_quarter() -> None:
    pixels = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    pixels[:, :, 20:, :20] = 255
    shown = training_view(
        pixels, view(1, top=0.5, left=0.0, height=0.5, width=0.5), preprocessing()
    )
    assert shown[:, :, 2:-2, 2:-2].min() > 0.999


@pytest.mark.parametrize(
    ("change", "reference"),
    [
        ({"brightness": 0.8}, lambda x: v2.functional.adjust_brightness(x, 0.8)),
        ({"contrast": 0.8}, lambda x: v2.functional.adjust_contrast(x, 0.8)),
        ({"saturation": 0.9}, lambda x: v2.functional.adjust_saturation(x, 0.9)),
    ],
)
def test_colour_agrees_with_torchvision(change: dict[str, float], reference: object) -> None:
    pixels = images()
    expected = reference(pixels.float() / 255)  # type: ignore[operator]
    assert torch.allclose(
        training_view(pixels, view(3, **change), preprocessing()), expected, atol=2e-3 + 0.5 / 255
    )


def test_hue_leaves_grey_grey_and_turns_colour() -> None:
    grey = images()[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(
        training_view(grey, view(3, hue=0.1), preprocessing()), grey / 255, atol=2e-3 + 0.5 / 255
    )
    coloured = images()
    assert (
        training_view(coloured, view(3, hue=0.1), preprocessing()) - coloured / 255
    ).abs().max() > 0.05


def test_mean_and_std_are_applied() -> None:
    pixels = images()
    value = preprocessing(mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    expected = (pixels / 255 - torch.tensor([0.5, 0.25, 0.0])[None, :, None, None]) / torch.tensor(
        [0.5, 0.25, 1.0]
    )[None, :, None, None]
    assert torch.allclose(evaluation_view(pixels, value), expected, atol=1e-6)


def test_views_of_a_batch_do_not_depend_on_the_batch() -> None:
    pixels = images(4)
    parts = view(
        4, top=0.1, left=0.2, height=0.7, width=0.6, brightness=1.1, contrast=0.9, hue=0.02
    )
    alone = ViewParams(
        **{name: values if values is None else values[2:3] for name, values in vars(parts).items()}
    )
    whole = training_view(pixels, parts, preprocessing(clahe=True))
    assert torch.allclose(
        whole[2:3], training_view(pixels[2:3], alone, preprocessing(clahe=True)), atol=1e-6
    )


def turned(degrees: float, down: float = 0.0, right: float = 0.0, **changes: float) -> ViewParams:
    turn = np.array([[np.deg2rad(degrees), down, right]])
    return dataclasses.replace(view(1, **changes), turn=turn)


def test_a_turn_of_nothing_shows_the_crop() -> None:
    pixels = images(1)
    assert torch.equal(
        training_view(pixels, turned(0), preprocessing()),
        training_view(pixels, view(1), preprocessing()),
    )


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_quarter_turns_are_numpys(quarters: int, flip: bool) -> None:
    """A positive angle moves what is on the right down, as OpenCV's images count rows."""
    pixels = images(1)
    shown = training_view(pixels, turned(90 * quarters, flip=flip), preprocessing())
    expected = torch.rot90(pixels, quarters, (2, 3))
    expected = expected.flip(3) if flip else expected
    assert (shown * 255 - expected).abs().max() < 1.1


def test_a_shift_moves_the_window_and_repeats_the_border() -> None:
    pixels = images(1)
    shown = (training_view(pixels, turned(0, 0.25, -0.1), preprocessing()) * 255).round()
    assert torch.equal(shown[..., :30, 4:], pixels[..., 10:, :36].float())
    assert torch.equal(shown[..., 30:, 4:], pixels[..., 39:, :36].float().expand(-1, -1, 10, -1))


def test_an_erased_rectangle_has_the_mean_colour_and_the_rest_stays() -> None:
    pixels = images(2)
    value = preprocessing(mean=(0.5, 0.25, 0.1), std=(0.5, 0.25, 1.0))
    erased = np.array([[0.1, 0.5, 0.25, 0.125], [0.0, 0.0, 0.0, 0.0]])
    shown = training_view(pixels, dataclasses.replace(view(2), erased=erased), value)
    expected = training_view(pixels, view(2), value)
    expected[0, :, 4:14, 20:25] = 0
    assert torch.equal(shown, expected)


@pytest.mark.parametrize("clahe", [False, True])
def test_views_made_within_autocast_are_those_made_outside_it(clahe: bool) -> None:
    """The export of logits makes its views in the network's number format, the training loop
    outside it: both must see the same pixels.
    """
    pixels, value = images(), preprocessing(clahe=clahe)
    drawn = view(
        3,
        top=0.1,
        left=0.2,
        height=0.7,
        width=0.6,
        brightness=1.1,
        contrast=0.9,
        saturation=1.2,
        hue=0.05,
    )
    outside = training_view(pixels, drawn, value), evaluation_view(pixels, value)
    with torch.autocast("cpu", torch.bfloat16):
        inside = training_view(pixels, drawn, value), evaluation_view(pixels, value)
    for one, other in zip(outside, inside, strict=True):
        assert other.dtype == torch.float32
        assert torch.equal(one, other)


def test_a_drawn_view_reaches_the_device_in_one_piece_and_an_evaluation_view_needs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, ...]] = []

    def counting(array: np.ndarray, device: torch.device) -> torch.Tensor:
        sent.append(array.shape)
        return torch.from_numpy(array)

    def refused(*arguments: object) -> None:
        raise AssertionError("a second way to the device")

    value = preprocessing(clahe=True)
    training_view(images(), view(3), value)  # constants of the device are made once
    monkeypatch.setattr(augment, "on_device", counting)
    monkeypatch.setattr(torch, "tensor", refused)
    training_view(images(), view(3), value)
    evaluation_view(images(), value)
    assert len(sent) == 1 and sent[0][0] == 3
