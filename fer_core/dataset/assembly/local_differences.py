"""Where two thumbnails that correlate still differ: a changed mouth is no changed copy.

Pictures of one person before one wall correlate above 0.95 whatever the expression. What a copy
changes (light, contrast, a small shift, turn or zoom, compression, noise) is fitted and taken away;
what is left is averaged over small squares of the face, where noise cancels out and a moved mouth,
eye or brow does not. `bench/twins_bench.py` measures right and wrong pairs (`docs/data.md`).
"""

import numpy as np

from fer_core.dataset.store.imagehash import THUMBNAIL
from fer_core.pixels.opencv import cv2

__all__ = ["MOST_OTHER_LABEL", "MOST_SAME_LABEL", "local_difference"]

MOST_SAME_LABEL, MOST_OTHER_LABEL = 0.35, 0.15
"""Greatest local difference of near twins with one label, and with two in one data set. The first
lets watermarks pass, the second few changes of expression.
"""

_SQUARE = 5  # side in pixels of a thumbnail: about a mouth corner or an eye
_ROWS, _COLUMNS = slice(8, 29), slice(5, 27)  # where brows, eyes and mouths are
_SMOOTH = 0.7
_RIDGE = 1e-6


def local_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The greatest mean difference of a small square within the face, in standard deviations of the
    pictures' grey values, float64 [P].

    Args:
        one: grey thumbnails, uint8 [P, THUMBNAIL * THUMBNAIL], none flat.
        other: those that they are compared with, in the same order.
    """
    if not len(one):
        return np.empty(0)
    first, second = _standardised(one), _standardised(other)
    changes = _usual_changes((first + second) / 2)
    difference = (first - second).reshape(len(first), -1)
    gram = changes @ changes.transpose(0, 2, 1)
    gram += _RIDGE * THUMBNAIL**2 * np.eye(gram.shape[-1])
    weights = np.linalg.solve(gram, changes @ difference[..., None])
    rest = difference - (weights.transpose(0, 2, 1) @ changes)[:, 0]
    squares = [cv2.blur(picture, (_SQUARE, _SQUARE)) for picture in rest.reshape(first.shape)]
    inner = np.array([square[_ROWS, _COLUMNS] for square in squares])
    return np.round(np.abs(inner).max((1, 2)), 6)


def _standardised(thumbnails: np.ndarray) -> np.ndarray:
    """Float64 [P, THUMBNAIL, THUMBNAIL] of mean 0 and deviation 1."""
    values = thumbnails.astype(np.float64).reshape(-1, THUMBNAIL, THUMBNAIL)
    values -= values.mean((1, 2), keepdims=True)
    return values / values.std((1, 2), keepdims=True)


def _usual_changes(pictures: np.ndarray) -> np.ndarray:
    """What a small change of brightness, contrast and place does to each picture, to first order:
    float64 [P, changes, pixels].
    """
    y, x = np.mgrid[-1 : 1 : THUMBNAIL * 1j, -1 : 1 : THUMBNAIL * 1j]
    smooth = np.array([cv2.GaussianBlur(picture, (0, 0), _SMOOTH) for picture in pictures])
    down, right = np.gradient(smooth, axis=(1, 2))
    changes = [np.ones_like(pictures), pictures, pictures**2]
    changes += [slope * weight for slope in (right, down) for weight in (1.0, x, y)]
    return np.stack(changes, axis=1).reshape(len(pictures), len(changes), -1)
