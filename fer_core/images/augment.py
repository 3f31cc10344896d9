"""Views applied to a batch of images on an accelerator: crop, flip, CLAHE, colour and
normalisation.

Pixels are rounded to 8 bits after the crop and after the colour, as in `augment_cpu`, which does
the same work through OpenCV: crop, rotation and CLAHE are equal bit for bit (CLAHE would magnify
any difference), the colour within one grey level. There is no matrix product here: in autocast or
TF32 its number format would be the caller's, and a teacher's stored views other ones than its
student's.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fer_core.images.clahe import clahe_rgb
from fer_core.images.memory import on_device
from fer_core.images.views import ViewParams, boxes, colour_matrices, erased_boxes, warps
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
    """A drawn view: bilinear crop and flip (and rotation and shift, if the view has them), CLAHE,
    then brightness, contrast, saturation and hue, and last what is erased.

    Args:
        images: uint8 [n, 3, resized, resized].
        view: parameters of the same n images.

    Returns:
        float32 [n, 3, size, size], normalised, channels last.
    """
    size = preprocessing.size
    sent = _sent(view, images.shape[-1], size, images.device)
    if (warp := sent.get("warp")) is not None:
        crops = _warp(images, warp.long(), size)
    else:
        crops = _crop(images, sent["box"], sent["flip"].bool(), size)
    of_grey, matrix = sent["of_grey"][:, 0].float(), sent["matrix"].float().view(-1, 3, 3)
    seen = _normalise(_colour(_equalise(crops, preprocessing), of_grey, matrix), preprocessing)
    if (erased := sent.get("erased")) is not None:
        places = torch.arange(size, device=seen.device)
        rows, columns = (
            (places >= start) & (places < start + length)
            for start, length in ((erased[:, :1], erased[:, 2:3]), (erased[:, 1:2], erased[:, 3:]))
        )
        seen.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)
    return seen


def _sent(view: ViewParams, side: int, size: int, device: torch.device) -> dict[str, Tensor]:
    """Parameters of views of `size` pixels of images of `side` pixels, sent to the device in one
    piece; double precision holds all of them exactly.

    Returns:
        float64 [n, …] each: box (as of `boxes`), flip, of_grey and matrix of the colour, and where
            the view has them warp (as of `warps`) and erased (as of `erased_boxes`).
    """
    matrices, of_grey = colour_matrices(view)
    parts = {
        "box": boxes(view, side),
        "flip": view.flip[:, None],
        "of_grey": of_grey[:, None],
        "matrix": matrices.reshape(-1, 9),
        "warp": warps(view, side, size),
        "erased": erased_boxes(view, size),
    }
    found = {name: part for name, part in parts.items() if part is not None}
    columns = np.concatenate(list(found.values()), axis=1, dtype=np.float64)
    sent = on_device(columns, device)
    widths = [part.shape[1] for part in found.values()]
    return dict(zip(found, sent.split(widths, dim=1), strict=True))


def _warp(images: Tensor, warp: Tensor, size: int) -> Tensor:
    """The views of `size` pixels that `warps` read from the images, uint8; bit-exact with OpenCV's
    `remap` in 32nds of a pixel, what lies outside repeats the border.
    """
    count, channels, side, _ = images.shape
    places = torch.arange(size, device=images.device)
    a, b, c, d, e, f = warp[:, :, None, None].unbind(1)
    x = (a * places + b * places[:, None] + c + 1024) >> 11
    y = (d * places + e * places[:, None] + f + 1024) >> 11
    flat = images.reshape(count, channels, side * side)
    sums = torch.zeros(count, channels, size * size, dtype=torch.int32, device=images.device)
    for down in (0, 1):
        for right in (0, 1):
            column = ((x >> 5) + right).clamp(0, side - 1)
            row = ((y >> 5) + down).clamp(0, side - 1)
            wide, high = ((32 - (v & 31), v & 31)[far] for v, far in ((x, right), (y, down)))
            index = (row * side + column).view(count, 1, -1).expand(-1, channels, -1)
            sums += flat.gather(2, index).int() * (wide * high).int().view(count, 1, -1)
    return ((sums + 512) >> 10).to(torch.uint8).view(count, channels, size, size)


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
