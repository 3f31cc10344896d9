"""Views applied to a batch of images on an accelerator: crop, flip, CLAHE, colour and normalisation.

Pixels are rounded to 8 bits after the crop and after the colour, as in `augment_cpu`, which does the same work through OpenCV:
crop and CLAHE are equal bit for bit (CLAHE would magnify any difference), the colour within one grey level.
"""

import numpy as np
import torch
from torch import Tensor

from fer_core.data.clahe import clahe_rgb
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewParams, boxes, colour_matrices

__all__ = ["evaluation_view", "training_view"]

_LUMA = (0.299, 0.587, 0.114)


def evaluation_view(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """View 0: equal, bit for bit before normalisation, to `Preprocessing.prepare` of the original image.

    Args:
        images: uint8 [n, 3, resized, resized].

    Returns:
        float32 [n, 3, size, size], normalised, channels last.
    """
    offset, size = (preprocessing.resized - preprocessing.size) // 2, preprocessing.size
    crops = images[:, :, offset : offset + size, offset : offset + size]
    return _normalise(_equalise(crops, preprocessing), preprocessing)


def training_view(images: Tensor, view: ViewParams, preprocessing: Preprocessing) -> Tensor:
    """A drawn view: bilinear crop and flip, CLAHE, then brightness, contrast, saturation and hue.

    Args:
        images: uint8 [n, 3, resized, resized].
        view: parameters of the same n images.

    Returns:
        float32 [n, 3, size, size], normalised, channels last.
    """
    crops = _equalise(_crop(images, view, preprocessing.size), preprocessing)
    return _normalise(_colour(crops, view), preprocessing)


def _crop(images: Tensor, view: ViewParams, size: int) -> Tensor:
    """Bilinear resampling of each crop to size x size, uint8; bit-exact with OpenCV's INTER_LINEAR_EXACT on the crop alone.

    Weights are whole 256ths, sums are integers rounded once at the end: the arithmetic of OpenCV's bit-exact resize.
    """
    box = boxes(view, images.shape[-1])
    x_low, x_high, x_weight = _sources(box.left, box.width, size, images.device)
    y_low, y_high, y_weight = _sources(box.top, box.height, size, images.device)
    mirrored = torch.from_numpy(view.flip).to(images.device)[:, None]
    x_low, x_high, x_weight = (torch.where(mirrored, values.flip(1), values) for values in (x_low, x_high, x_weight))

    def columns(index: Tensor) -> Tensor:
        return images.gather(3, index[:, None, None, :].expand(-1, 3, images.shape[2], -1)).int()

    rows = columns(x_low) * (256 - x_weight)[:, None, None, :] + columns(x_high) * x_weight[:, None, None, :]

    def lines(index: Tensor) -> Tensor:
        return rows.gather(2, index[:, None, :, None].expand(-1, 3, -1, size))

    sums = lines(y_low) * (256 - y_weight)[:, None, :, None] + lines(y_high) * y_weight[:, None, :, None]
    return ((sums + (1 << 15)) >> 16).to(torch.uint8)


def _sources(start: np.ndarray, length: np.ndarray, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `size` places the two source pixels, int64 [n, size], and the second one's weight in 256ths, int32 [n, size]."""
    place = (np.arange(size) + 0.5) * (length[:, None] / size) - 0.5
    low = np.floor(place)
    weight = np.rint((place - low) * 256).astype(np.int32)
    last = length[:, None] - 1
    weight[(low < 0) | (low >= last)] = 0
    low = np.clip(low.astype(np.int64), 0, last)
    high = np.minimum(low + 1, last)
    one, other = (torch.from_numpy(start[:, None] + index).to(device) for index in (low, high))
    return one, other, torch.from_numpy(weight).to(device)


def _colour(images: Tensor, view: ViewParams) -> Tensor:
    matrix, of_grey = (torch.from_numpy(values).to(images.device) for values in colour_matrices(view))
    pixels = images.float()
    grey = (pixels * pixels.new_tensor(_LUMA)[None, :, None, None]).sum(dim=1).mean(dim=(1, 2))
    offset = (grey * of_grey)[:, None, None].expand(-1, 3, 1)
    coloured = torch.baddbmm(offset, matrix, pixels.flatten(2)).clamp_(0, 255)
    return coloured.round_().view_as(pixels).to(torch.uint8)


def _equalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    if not preprocessing.clahe:
        return images
    pixels = images.permute(0, 2, 3, 1).contiguous()
    return clahe_rgb(pixels, preprocessing.clahe_clip, preprocessing.clahe_tile).permute(0, 3, 1, 2)


def _normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean = torch.tensor(preprocessing.mean, device=images.device)[None, :, None, None]
    std = torch.tensor(preprocessing.std, device=images.device)[None, :, None, None]
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
