"""Anti-aliased polygons and strokes on a BGR canvas, with sub-pixel coordinates."""

from functools import lru_cache

import numpy as np

from fer_core.pixels.opencv import cv2

__all__ = ["Colour", "blend", "ellipse_points", "fill", "shade", "stroke"]

Colour = tuple[float, float, float]
"""Blue, green, red, each 0 to 255."""

_SHIFT = 4


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def shade(colour: Colour, factor: float) -> Colour:
    """A darker (below 1) or lighter (above 1) tone."""
    return (
        min(255.0, colour[0] * factor),
        min(255.0, colour[1] * factor),
        min(255.0, colour[2] * factor),
    )


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with a share of 0 to 1 of `second`."""
    return (
        first[0] + share * (second[0] - first[0]),
        first[1] + share * (second[1] - first[1]),
        first[2] + share * (second[2] - first[2]),
    )


def ellipse_points(x: float, y: float, width: float, height: float, count: int = 28) -> np.ndarray:
    """Closed outline of an ellipse given by its half axes: float64 [count, 2]."""
    return _circle(count) * (width, height) + (x, y)


@lru_cache
def _circle(count: int) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def fill(canvas: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """Fill a polygon (float64 [N, 2], canvas pixels)."""
    cv2.fillPoly(canvas, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def stroke(
    canvas: np.ndarray, points: np.ndarray, colour: Colour, width: float, closed: bool = False
) -> None:
    """Draw a line through points (float64 [N, 2]); `width` in canvas pixels, at least one is
    drawn.
    """
    cv2.polylines(
        canvas, [_fixed(points)], closed, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT
    )
