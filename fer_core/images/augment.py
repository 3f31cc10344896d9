"""Views applied to a batch of images on an accelerator: crop, flip, CLAHE, colour and
normalisation.

Pixels are rounded to 8 bits after the crop and after the colour, as in `augment_cpu`, which does
the same work through OpenCV: crop and CLAHE are equal bit for bit (CLAHE would magnify any
difference), the colour within one grey level. There is no matrix product here: in autocast or TF32
its number format would be the caller's, and a teacher's stored views other ones than its student's.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fer_core.images.clahe import clahe_rgb
from fer_core.images.memory import on_device
from fer_core.images.views import ViewParams, boxes, colour_matrices
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["evaluation_view", "training_view"]

_LUMA = (0.299, 0.587, 0.114)


def evaluation_view(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """View 0: equal, bit for bit before normalisation, to `Preprocessing.prepare` of the original
    image.

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
    box, flip, of_grey, matrix = _sent(view, images.shape[-1], images.device)
    crops = _equalise(_crop(images, box, flip, preprocessing.size), preprocessing)
    return _normalise(_colour(crops, of_grey, matrix), preprocessing)


def _sent(
    view: ViewParams, side: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Parameters of views of images of `side` pixels, sent to the device in one piece; double
    precision holds all of them exactly.

    Returns:
        Crops in whole pixels float64 [n, 4] (as of `boxes`), flip bool [n, 1], and of the colour
        the offset float32 [n] and the matrix float32 [n, 3, 3].
    """
    matrices, of_grey = colour_matrices(view)
    columns = np.column_stack([boxes(view, side), view.flip, of_grey, matrices.reshape(-1, 9)])
    sent = on_device(np.ascontiguousarray(columns, dtype=np.float64), device)
    matrix = sent[:, 6:].float().view(-1, 3, 3)
    return sent[:, :4], sent[:, 4:5].bool(), sent[:, 5].float(), matrix


def _crop(images: Tensor, box: Tensor, flip: Tensor, size: int) -> Tensor:
    """Bilinear resampling of each crop to size x size, uint8; bit-exact with OpenCV's
    INTER_LINEAR_EXACT on the crop alone.

    Weights are whole 256ths, sums are integers rounded once at the end: the arithmetic of OpenCV's
    bit-exact resize.
    """
    top, left, height, width = box.split(1, dim=1)
    x_low, x_high, x_weight = _sources(left, width, size)
    y_low, y_high, y_weight = _sources(top, height, size)
    x_low, x_high, x_weight = (
        torch.where(flip, values.flip(1), values) for values in (x_low, x_high, x_weight)
    )

    def columns(index: Tensor) -> Tensor:
        return images.gather(3, index[:, None, None, :].expand(-1, 3, images.shape[2], -1)).int()

    rows = (
        columns(x_low) * (256 - x_weight)[:, None, None, :]
        + columns(x_high) * x_weight[:, None, None, :]
    )

    def lines(index: Tensor) -> Tensor:
        return rows.gather(2, index[:, None, :, None].expand(-1, 3, -1, size))

    sums = (
        lines(y_low) * (256 - y_weight)[:, None, :, None]
        + lines(y_high) * y_weight[:, None, :, None]
    )
    return ((sums + (1 << 15)) >> 16).to(torch.uint8)


def _sources(start: Tensor, length: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `size` places the two source pixels, int64 [n, size], and the second one's weight
    in 256ths, int32 [n, size].
    """
    place = (torch.arange(size, dtype=torch.float64, device=start.device) + 0.5) * (
        length / size
    ) - 0.5
    low = place.floor()
    last = length - 1
    inside = (low >= 0) & (low < last)
    weight = torch.where(inside, ((place - low) * 256).round(), 0.0)
    low = torch.minimum(low.clamp(min=0), last)
    high = torch.minimum(low + 1, last)
    return (start + low).long(), (start + high).long(), weight.int()


def _colour(images: Tensor, of_grey: Tensor, matrix: Tensor) -> Tensor:
    pixels = images.float()
    grey = (pixels * _channels(_LUMA, images.device)).sum(dim=1).mean(dim=(1, 2))
    coloured = (grey * of_grey)[:, None, None, None].expand(-1, 3, 1, 1)
    for channel in range(3):
        coloured = coloured + matrix[:, :, channel, None, None] * pixels[:, channel : channel + 1]
    return coloured.clamp_(0, 255).round_().to(torch.uint8)


def _equalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    if not preprocessing.clahe:
        return images
    pixels = images.permute(0, 2, 3, 1).contiguous()
    return clahe_rgb(pixels, preprocessing.clahe_clip, preprocessing.clahe_tile).permute(0, 3, 1, 2)


def _normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean, std = (
        _channels(values, images.device) for values in (preprocessing.mean, preprocessing.std)
    )
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=64)
def _channels(values: Sequence[float], device: torch.device) -> Tensor:
    """A constant of each channel, float32 [1, 3, 1, 1]."""
    return torch.tensor(values, dtype=torch.float32, device=device)[None, :, None, None]
