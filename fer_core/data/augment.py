"""Views applied to images: crop, flip, CLAHE, colour and normalisation, batched on the images' device."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fer_core.data.clahe import clahe_rgb
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewParams

__all__ = ["evaluation_view", "training_view"]

_LUMA = (0.299, 0.587, 0.114)
_RGB_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)


def evaluation_view(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """View 0: equal, bit for bit before normalisation, to `Preprocessing.prepare` of the original image.

    Args:
        images: uint8 [n, 3, resized, resized].

    Returns:
        float32 [n, 3, size, size], normalised, channels last.
    """
    offset, size = (preprocessing.resized - preprocessing.size) // 2, preprocessing.size
    crops = images[:, :, offset : offset + size, offset : offset + size]
    return _normalise(_equalise(crops, preprocessing).float() / 255, preprocessing)


def training_view(images: Tensor, view: ViewParams, preprocessing: Preprocessing) -> Tensor:
    """A drawn view: bilinear crop and flip, CLAHE, then brightness, contrast, saturation and hue.

    Args:
        images: uint8 [n, 3, resized, resized].
        view: parameters of the same n images.

    Returns:
        float32 [n, 3, size, size], normalised, channels last.
    """
    crops = _crop(images, view, preprocessing.size)
    if preprocessing.clahe:
        crops = _equalise((crops * 255).round().to(torch.uint8), preprocessing).float() / 255
    return _normalise(_colour(crops, view), preprocessing)


def _crop(images: Tensor, view: ViewParams, size: int) -> Tensor:
    """Bilinear resampling of each crop to size x size; float32 in [0, 1]."""
    top, left, height, width = (torch.from_numpy(v).to(images.device) for v in (view.top, view.left, view.height, view.width))
    sign = torch.from_numpy(np.where(view.flip, -1, 1).astype(np.float32)).to(images.device)
    zero = torch.zeros_like(top)
    theta = torch.stack(
        [
            torch.stack([width * sign, zero, 2 * left + width - 1], dim=1),
            torch.stack([zero, height, 2 * top + height - 1], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    return functional.grid_sample(images.float() / 255, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _colour(images: Tensor, view: ViewParams) -> Tensor:
    """All four colour changes as one 3x3 matrix and one grey offset an image.

    Contrast blends with the image's mean grey, saturation with each pixel's grey (as torchvision's ColorJitter);
    hue turns the chroma plane of YIQ, which leaves grey pixels grey.
    """

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float64))

    brightness, contrast, saturation = tensor(view.brightness), tensor(view.contrast), tensor(view.saturation)
    angle = tensor(view.hue) * 2 * math.pi
    rotation = torch.zeros(len(images), 3, 3, dtype=torch.float64)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = angle.cos() * saturation
    rotation[:, 1, 2], rotation[:, 2, 1] = -angle.sin() * saturation, angle.sin() * saturation
    matrix = _RGB_TO_YIQ.inverse() @ rotation @ _RGB_TO_YIQ * (brightness * contrast)[:, None, None]
    matrix = matrix.to(images.device, torch.float32)
    luma = images.new_tensor(_LUMA)[None, :, None, None]
    grey = (images * luma).sum(dim=1).mean(dim=(1, 2))
    offset = grey * ((1 - contrast) * brightness).to(images.device, torch.float32)
    flat = images.flatten(2)
    return torch.baddbmm(offset[:, None, None].expand(-1, 3, 1), matrix, flat).clamp_(0, 1).view_as(images)


def _equalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    if not preprocessing.clahe:
        return images
    pixels = images.permute(0, 2, 3, 1).contiguous()
    return clahe_rgb(pixels, preprocessing.clahe_clip, preprocessing.clahe_tile).permute(0, 3, 1, 2)


def _normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean = images.new_tensor(preprocessing.mean)[None, :, None, None]
    std = images.new_tensor(preprocessing.std)[None, :, None, None]
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
