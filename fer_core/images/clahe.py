"""Contrast-limited adaptive histogram equalisation of whole batches, equal to OpenCV's on every
pixel.

The method is that of Zuiderveld (Graphics Gems IV, 1994) as `cv2.createCLAHE` does it: one clipped
histogram a tile gives one lookup table, and a pixel blends the tables of the four nearest tiles.
All sums are integers and all fractions float32 in OpenCV's order, so the result does not depend on
the device.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fer_core.images.lab import lab_to_rgb, rgb_to_lab

__all__ = ["clahe_plane", "clahe_rgb"]

_LEVELS = 256
_CHUNK_CPU = 1 << 17  # pixels and table entries worked on at once: what caches hold
_CHUNK_DEVICE = 1 << 25


class _Geometry(NamedTuple):
    """What depends only on the planes' size, the grid and the device."""

    tile_area: int
    reflected: (
        tuple[Tensor, Tensor] | None
    )  # int64 rows and columns of the padded plane, where padding is needed
    tiles: Tensor  # int32 [padded height, padded width]: first table entry of the pixel's tile
    # int32 [4, height, width]: first entry of the tables above left, above right, below left,
    # below right
    corners: Tensor
    right: Tensor  # float32 [width]: weight of the tables to the right
    below: Tensor  # float32 [height, 1]: weight of the tables below


def clahe_rgb(images: Tensor, clip: float, tile: int) -> Tensor:
    """Equalise the lightness of RGB images; a and b of LAB stay.

    Equal to `cvtColor(RGB2LAB)`, `createCLAHE(clip, (tile, tile)).apply` on L, `cvtColor(LAB2RGB)`.

    Args:
        images: uint8 [n, height, width, 3], RGB; any strides.
        clip: OpenCV's clip limit, a multiple of the mean histogram count; 0 or less never clips.
        tile: tiles a side.

    Returns:
        uint8 [n, height, width, 3], laid out in memory as `images` is.

    Raises:
        ValueError: `images` has another type or shape, or `tile` is below 1.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"images must be uint8 [n, height, width, 3], not {images.dtype} {list(images.shape)}"
        )
    if tile < 1 or 0 in images.shape[1:]:
        raise ValueError(
            f"CLAHE needs at least one pixel and one tile, not {list(images.shape)} and {tile} "
            "tiles a side"
        )
    result = torch.empty_like(images)
    step = _images_at_once(images, tile)
    for start in range(0, len(images), step):
        lightness, a, b = rgb_to_lab(*images[start : start + step].unbind(dim=3))
        channels = lab_to_rgb(clahe_plane(lightness, clip, tile), a, b)
        for equalised, channel in zip(
            result[start : start + step].unbind(dim=3), channels, strict=True
        ):
            equalised.copy_(channel)
    return result


def _images_at_once(images: Tensor, tile: int) -> int:
    """Images a chunk: bounds the memory of the steps between and keeps table indices within 32
    bits.
    """
    work = images.shape[1] * images.shape[2] + tile * tile * _LEVELS
    return max((_CHUNK_CPU if images.device.type == "cpu" else _CHUNK_DEVICE) // work, 1)


def clahe_plane(planes: Tensor, clip: float, tile: int) -> Tensor:
    """Equalise planes of 8-bit values, as `cv2.createCLAHE(clip, (tile, tile)).apply` does each.

    Args:
        planes: uint8 [n, height, width], at most as many as fit into a chunk.
        clip, tile: as for `clahe_rgb`.

    Returns:
        uint8 [n, height, width].
    """
    geometry = _geometry(planes.shape[1], planes.shape[2], tile, planes.device)
    entries = tile * tile * _LEVELS
    first = torch.arange(
        0, len(planes) * entries, entries, dtype=torch.int32, device=planes.device
    )[:, None, None]
    values = planes.to(torch.int32, memory_format=torch.contiguous_format).add_(first)
    histograms = _histograms(values, geometry, len(planes) * entries)
    tables = _lookup_tables(histograms.view(-1, _LEVELS), geometry.tile_area, clip).view(-1)

    def read(corner: int) -> Tensor:
        return tables.index_select(0, (values + geometry.corners[corner]).view(-1)).view(
            values.shape
        )

    left, above = 1 - geometry.right, 1 - geometry.below
    top = read(0).mul_(left).add_(read(1).mul_(geometry.right)).mul_(above)
    bottom = read(2).mul_(left).add_(read(3).mul_(geometry.right)).mul_(geometry.below)
    return top.add_(bottom).round_().to(torch.uint8)  # a blend of 0 to 255 stays there


def _histograms(values: Tensor, geometry: _Geometry, entries: int) -> Tensor:
    """Counts of every value in every tile of every image, int32 [entries]."""
    if geometry.reflected is not None:
        rows, columns = geometry.reflected
        values = values.index_select(1, rows).index_select(2, columns)
    index = (values + geometry.tiles).view(-1).long()
    counts = torch.zeros(entries, dtype=torch.int32, device=values.device)
    return counts.scatter_add_(0, index, torch.ones_like(index, dtype=torch.int32))


def _lookup_tables(histograms: Tensor, tile_area: int, clip: float) -> Tensor:
    """One table a histogram, float32 [tiles, 256] of whole numbers.

    Counts above the limit are shared out: the same to every level, and what is left one each to
    evenly spaced levels.
    """
    if clip > 0:
        histograms = histograms.clamp_max_(max(int(clip * tile_area / _LEVELS), 1))
        clipped = tile_area - histograms.sum(dim=1, dtype=torch.int32)
    else:
        clipped = torch.zeros(len(histograms), dtype=torch.int32, device=histograms.device)
    shared, rest = _running_shares(histograms.device)
    counts = histograms.cumsum(dim=1, dtype=torch.int32)
    counts.add_((clipped >> 8)[:, None] * shared).add_(
        rest.index_select(0, clipped & (_LEVELS - 1))
    )
    scale = float(np.float32(_LEVELS - 1) / np.float32(tile_area))
    return counts.to(torch.float32).mul_(scale).round_()


@lru_cache
def _running_shares(device: torch.device) -> tuple[Tensor, Tensor]:
    """What each level and those below it get: int32 [256] a whole share, int32 [256, 256] of a rest
    of 0 to 255 counts.
    """
    level = np.arange(_LEVELS)
    rest = np.arange(_LEVELS)[:, None]
    step = _LEVELS // np.maximum(rest, 1)
    running = np.minimum(level // step + 1, rest)
    return torch.from_numpy((level + 1).astype(np.int32)).to(device), torch.from_numpy(
        running.astype(np.int32)
    ).to(device)


@lru_cache(maxsize=64)
def _geometry(height: int, width: int, tile: int, device: torch.device) -> _Geometry:
    padded = height % tile != 0 or width % tile != 0
    # OpenCV pads both sides when either needs it: a side that already fits then grows by one pixel
    # a tile.
    full_height, full_width = (
        side + tile - side % tile if padded else side for side in (height, width)
    )
    tile_height, tile_width = full_height // tile, full_width // tile
    tiles = (np.arange(full_height) // tile_height * tile)[:, None] + np.arange(
        full_width
    ) // tile_width
    upper, lower, below = _neighbours(height, tile_height, tile)
    left, right, weight = _neighbours(width, tile_width, tile)
    corners = [(row * tile)[:, None] + column for row in (upper, lower) for column in (left, right)]

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    return _Geometry(
        tile_area=tile_height * tile_width,
        reflected=(tensor(_reflect(height, full_height)), tensor(_reflect(width, full_width)))
        if padded
        else None,
        tiles=tensor((tiles * _LEVELS).astype(np.int32)),
        corners=tensor((np.stack(corners) * _LEVELS).astype(np.int32)),
        right=tensor(weight),
        below=tensor(below[:, None]),
    )


def _neighbours(side: int, tile_side: int, tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every pixel along a side: the tile whose centre lies before it, the one after it, and the
    latter's weight.
    """
    position = np.arange(side, dtype=np.float32) * (
        np.float32(1) / np.float32(tile_side)
    ) - np.float32(0.5)
    before = np.floor(position)
    weight = position - before
    before = before.astype(np.int64)
    return np.maximum(before, 0), np.minimum(before + 1, tile - 1), weight


def _reflect(side: int, full: int) -> np.ndarray:
    """Which pixel each place of the padded side shows: mirrored without repeating the edge, as
    often as needed.
    """
    period = max(2 * (side - 1), 1)
    place = np.arange(full) % period
    return np.minimum(place, period - place) if side > 1 else np.zeros(full, dtype=np.int64)
