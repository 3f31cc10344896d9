"""8-bit RGB to CIE L*a*b* and back, with the very integers of OpenCV's `cvtColor`, batched on the
pixels' device.

OpenCV converts 8-bit images in fixed point through small tables (`COLOR_RGB2LAB`, `COLOR_LAB2RGB`;
sRGB, white D65). The same tables and shifts here give equal bytes for every one of the 2**24
inputs, in both directions.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["lab_to_rgb", "rgb_to_lab"]

# Linear sRGB to XYZ over the D65 white and back, times 2**12.
_TO_XYZ = ((1777, 1541, 778), (871, 2929, 296), (73, 448, 3575))
_FROM_XYZ = ((12615, -6296, -2223), (-3773, 7684, 185), (217, -836, 4715))
_LINEAR_MAX = 255 * 8  # linear light on the way to LAB: 8-bit values with three more bits
_CUBE_UNIT = 1 << 15  # 1.0 of the cube roots on the way to LAB
_UNIT = 1 << 14  # 1.0 of cube roots, X, Y and Z on the way to RGB
_INVERSE_LEVELS = 1 << 12  # linear light on the way to RGB
_CUBE_MIN = -8145  # the least cube root of X or Z that any 8-bit LAB triple gives


class _Tables(NamedTuple):
    """Lookup tables of one device."""

    gamma: Tensor  # int32 [256]: sRGB byte to linear light, 0 to 2040
    lightness: Tensor  # uint8 [2041]: linear Y to L
    cube: Tensor  # int32 [2041]: linear X, Y or Z to its cube root
    luma: Tensor  # int32 [3, 256]: L to Y's share of red, green and blue, with the rounding half
    cube_of_lightness: Tensor  # int32 [256]: L to the cube root of Y, as an index of `linear`
    a_step: Tensor  # int32 [256]: a to the cube root of X minus that of Y
    b_step: Tensor  # int32 [256]: b to the cube root of Y minus that of Z
    linear: Tensor  # int32: cube root to X or Z
    inverse_gamma: Tensor  # uint8 [4096]: linear light to sRGB byte


def rgb_to_lab(red: Tensor, green: Tensor, blue: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L, a and b as `cv2.cvtColor(image, cv2.COLOR_RGB2LAB)` gives them.

    Args:
        red, green, blue: uint8 planes of one shape, on one device; any strides.

    Returns:
        Three uint8 planes of that shape: L times 255 / 100, a plus 128, b plus 128.
    """
    tables = _tables(red.device)
    linear = [_lookup(tables.gamma, plane) for plane in (red, green, blue)]
    x, y, z = (_mix(linear, row).add_(1 << 11).bitwise_right_shift_(12) for row in _TO_XYZ)
    lightness = _lookup(tables.lightness, y)
    x, y, z = (_lookup(tables.cube, plane) for plane in (x, y, z))
    middle = 128 * _CUBE_UNIT + _CUBE_UNIT // 2
    a = x.sub_(y).mul_(500).add_(middle).bitwise_right_shift_(15)
    b = y.sub_(z).mul_(200).add_(middle).bitwise_right_shift_(15)
    return lightness, a.to(torch.uint8), b.to(torch.uint8)  # no RGB colour leaves 8 bits here


def lab_to_rgb(lightness: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Red, green and blue as `cv2.cvtColor(image, cv2.COLOR_LAB2RGB)` gives them; colours outside
    sRGB are clipped.

    Args:
        lightness, a, b: uint8 planes of one shape, on one device; any strides.

    Returns:
        Three uint8 planes of that shape.
    """
    tables = _tables(lightness.device)
    lightness = lightness.to(torch.int32)
    cube = _lookup(tables.cube_of_lightness, lightness)
    x = _lookup(tables.linear, _lookup(tables.a_step, a).add_(cube))
    z = _lookup(tables.linear, cube.sub_(_lookup(tables.b_step, b)))

    def channel(index: int) -> Tensor:
        of_x, _, of_z = _FROM_XYZ[index]
        level = _lookup(tables.luma[index], lightness).add_(x, alpha=of_x).add_(z, alpha=of_z)
        return _lookup(
            tables.inverse_gamma, level.bitwise_right_shift_(14).clamp_(0, _INVERSE_LEVELS - 1)
        )

    return channel(0), channel(1), channel(2)


def _lookup(table: Tensor, index: Tensor) -> Tensor:
    """`table[index]`; selecting along a flat dimension is several times faster than indexing."""
    return table.index_select(0, index.to(torch.int32).reshape(-1)).view(index.shape)


def _mix(planes: list[Tensor], weights: tuple[int, int, int]) -> Tensor:
    return (
        (planes[0] * weights[0]).add_(planes[1], alpha=weights[1]).add_(planes[2], alpha=weights[2])
    )


@lru_cache
def _tables(device: torch.device) -> _Tables:
    cube = _cube_table()
    y, cube_of_lightness = _lightness_tables()
    step = np.arange(256)

    def table(values: np.ndarray, kind: type[np.generic] = np.int32) -> Tensor:
        return torch.from_numpy(values.astype(kind)).to(device)

    return _Tables(
        gamma=table(np.rint(_LINEAR_MAX * _linear_of_srgb(np.arange(256) / 255))),
        lightness=table(
            ((296 * cube - 1336934 + _CUBE_UNIT // 2) >> 15), np.uint8
        ),  # 116 f - 16, times 255 / 100
        cube=table(cube),
        luma=table(np.array([row[1] * y + (1 << 13) for row in _FROM_XYZ])),
        cube_of_lightness=table(cube_of_lightness - _CUBE_MIN),
        a_step=table(((5 * step * 53687 + 128) >> 13) - 128 * _UNIT // 500),  # (a - 128) / 500
        b_step=table(((step * 41943 + 16) >> 9) - 128 * _UNIT // 200 + 1),  # (b - 128) / 200
        linear=table(_linear_of_cube_table()),
        inverse_gamma=table(
            np.rint(255 * _srgb_of_linear(np.arange(_INVERSE_LEVELS) / _INVERSE_LEVELS)), np.uint8
        ),
    )


def _linear_of_srgb(value: np.ndarray) -> np.ndarray:
    """The transfer curve of IEC 61966-2-1."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _srgb_of_linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def _cube_table() -> np.ndarray:
    """CIE f(t) of every level of linear light, int64 [2041].

    Done in single precision with the cube root cut off, not rounded, as OpenCV does; an entry next
    to a half differs otherwise.
    """
    level = np.float32(1) / np.float32(_LINEAR_MAX) * np.arange(_LINEAR_MAX + 1, dtype=np.float32)
    exact = np.cbrt(level.astype(np.float64))
    root = exact.astype(np.float32)
    root = np.where(root > exact, np.nextafter(root, np.float32(0)), root)
    toe = (level.astype(np.float64) * np.float32(841 / 108) + np.float32(16 / 116)).astype(
        np.float32
    )
    return np.rint(_CUBE_UNIT * np.where(level < np.float32(216 / 24389), toe, root)).astype(
        np.int64
    )


def _lightness_tables() -> tuple[np.ndarray, np.ndarray]:
    """Y and its cube root of every L byte, int64 [256] each, 1.0 being 2**14."""
    lightness = np.arange(256) * 100 / 255
    cube = (lightness + 16) / 116
    y = np.where(lightness <= 8, lightness * 27 / 29**3, cube**3)
    return np.rint(_UNIT * y).astype(np.int64), np.rint(_UNIT * cube).astype(np.int64)


def _linear_of_cube_table() -> np.ndarray:
    """X or Z of every cube root from `_CUBE_MIN` on, int64, 1.0 being 2**14; every division drops
    its fraction.
    """
    cube = np.arange(_CUBE_MIN, _UNIT * 9 // 4 + _CUBE_MIN)
    toe = np.trunc(cube * 108 / 841).astype(np.int64) - (_UNIT * 16 // 116) * 108 // 841
    return np.where(cube <= 3390, toe, cube * cube // _UNIT * cube // _UNIT)
