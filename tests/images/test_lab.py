import cv2
import numpy as np
import pytest
import torch

from fer_core.images.lab import lab_to_rgb, rgb_to_lab


def every_colour():
    """All 2**24 byte triples, in 64 images of 1024 x 256."""
    first, second, third = np.meshgrid(np.arange(4), np.arange(256), np.arange(256), indexing="ij")
    image = np.stack([first, second, third], axis=-1).astype(np.uint8).reshape(1024, 256, 3)
    for start in range(0, 256, 4):
        yield image + np.array([start, 0, 0], dtype=np.uint8)


def converted(convert, image):
    planes = torch.from_numpy(image).unbind(dim=-1)
    return torch.stack(convert(*planes), dim=-1).numpy()


@pytest.mark.parametrize(
    ("convert", "code"), [(rgb_to_lab, cv2.COLOR_RGB2LAB), (lab_to_rgb, cv2.COLOR_LAB2RGB)]
)
def test_every_triple_converts_as_in_opencv(convert, code):
    wrong = sum(
        int((converted(convert, image) != cv2.cvtColor(image, code)).any(axis=-1).sum())
        for image in every_colour()
    )
    assert wrong == 0


def test_greys_have_no_colour_and_come_back_grey_within_one_level():
    grey = torch.arange(256, dtype=torch.uint8)
    lightness, a, b = rgb_to_lab(grey, grey, grey)
    assert set(a.tolist()) == set(b.tolist()) == {128}
    assert lightness.tolist() == sorted(lightness.tolist())
    channels = torch.stack(lab_to_rgb(lightness, a, b)).int()
    assert int((channels.amax(dim=0) - channels.amin(dim=0)).max()) <= 1


def test_planes_may_have_any_shape_and_strides_and_are_left_alone():
    image = np.random.default_rng(3).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    expected = np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2LAB) for one in image])
    for tensor in (
        torch.from_numpy(image),
        torch.from_numpy(image.transpose(3, 0, 2, 1).copy()).permute(1, 3, 2, 0),
    ):
        found = torch.stack(rgb_to_lab(*tensor.unbind(dim=-1)), dim=-1)
        assert found.dtype == torch.uint8
        assert np.array_equal(found.numpy(), expected)
        assert np.array_equal(tensor.numpy(), image)
