"""Faces as worse cameras, light and crops would show them.

Each corruption has five strengths; lengths follow the side of the face, so that strengths mean the
same at every size. What is drawn at random follows from the seed, the corruption and the face's
sample_id alone: neither the order of rows nor the number of threads changes a pixel, and a stronger
one goes the same way further.
"""

import hashlib
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from fer_core.pixels.opencv import cv2

__all__ = ["CORRUPTIONS", "STRENGTHS", "Corruption", "corrupt", "shows_nothing"]

Corruption = Literal[
    "blur",
    "motion_blur",
    "noise",
    "jpeg",
    "low_light",
    "gamma",
    "low_resolution",
    "upper_face_hidden",
    "lower_face_hidden",
    "mask",
    "shift",
    "loose_crop",
    "rotation",
]
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
STRENGTHS = (1, 2, 3, 4, 5)
_BLANK = 8
"""Grey levels between the darkest and the brightest pixel, below which nothing is seen."""


def corrupt(
    image: np.ndarray, corruption: Corruption, strength: int, seed: int, sample_id: str
) -> np.ndarray:
    """One face, corrupted.

    Args:
        image: RGB, uint8 [H, W, 3].
        corruption: which.
        strength: 1 to 5.
        seed: of what is drawn at random.
        sample_id: of the face.

    Returns:
        uint8 of the same shape.
    """
    key = hashlib.sha256(f"{seed} {corruption} {sample_id}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(key[:8], "little"))
    return _CORRUPT[corruption](image, strength - 1, rng)


def shows_nothing(image: np.ndarray) -> bool:
    """Whether a picture is so even that no face can be seen in it."""
    return int(image.max()) - int(image.min()) < _BLANK


def _side(image: np.ndarray) -> int:
    return int(min(image.shape[:2]))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    sigma = _side(image) * (0.01, 0.018, 0.028, 0.04, 0.055)[level]
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _motion_blur(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    length = max(2.0, _side(image) * (0.05, 0.09, 0.14, 0.2, 0.27)[level])
    angle = float(rng.uniform(0, np.pi))
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel, middle = np.zeros((size, size), dtype=np.float32), (size - 1) / 2
    for step in np.linspace(-length / 2, length / 2, 4 * size):
        x, y = middle + step * np.cos(angle), middle + step * np.sin(angle)
        kernel[int(np.clip(round(y), 0, size - 1)), int(np.clip(round(x), 0, size - 1))] += 1
    kernel /= kernel.sum()
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE))


def _noise(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return _bytes(image + grain * (8, 16, 26, 38, 54)[level])


def _jpeg(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, (40, 25, 15, 8, 4)[level]]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))


def _low_light(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    share = (0.5, 0.32, 0.2, 0.12, 0.07)[level]
    return _bytes(image * share + grain * (2, 3, 4, 5, 6)[level])


def _gamma(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    power = (1.4, 1.8, 2.3, 3.0, 4.0)[level]
    power = power if rng.random() < 0.5 else 1 / power
    table = _bytes(255 * (np.arange(256) / 255) ** power)
    return np.asarray(table[image])


def _low_resolution(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    side = (28, 20, 15, 11, 8)[level]  # pixels that are left
    small = (
        max(1, round(width * side / _side(image))),
        max(1, round(height * side / _side(image))),
    )
    if small[0] >= width:
        return image
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR))


def _hidden(image: np.ndarray, level: int, rng: np.random.Generator, middle: float) -> np.ndarray:
    height, width = image.shape[:2]
    half = (0.05, 0.09, 0.13, 0.17, 0.22)[level]
    top, bottom = (round(height * (middle + sign * half)) for sign in (-1, 1))
    grown = (0.25, 0.33, 0.4, 0.45, 0.5)[level]
    left, right = (round(width * (0.5 + sign * grown)) for sign in (-1, 1))
    hidden = image.copy()
    hidden[max(top, 0) : bottom, left:right] = rng.integers(0, 256, 3, dtype=np.uint8)
    return hidden


def _upper(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    return _hidden(image, level, rng, middle=0.4)


def _lower(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    return _hidden(image, level, rng, middle=0.76)


def _mask(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    top = (0.86, 0.78, 0.7, 0.62, 0.54)[level]
    outline = np.array([(0.08, top), (0.5, top - 0.05), (0.92, top), (0.8, 1.0), (0.2, 1.0)])
    points = np.round(outline * (width, height)).astype(np.int32)
    tint = rng.integers(150, 256) - rng.integers(0, 40, 3)
    return np.asarray(cv2.fillConvexPoly(image.copy(), points, [int(value) for value in tint]))


def _warped(image: np.ndarray, degrees: float, zoom: float, move: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    matrix[:, 2] += move
    return np.asarray(
        cv2.warpAffine(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _shift(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    angle = float(rng.uniform(0, 2 * np.pi))
    length = _side(image) * (0.04, 0.08, 0.12, 0.17, 0.23)[level]
    return _warped(image, 0, 1, length * np.array([np.cos(angle), np.sin(angle)]))


def _loose_crop(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    return _warped(image, 0, (0.91, 0.83, 0.74, 0.65, 0.55)[level], np.zeros(2))


def _rotation(image: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    degrees = (6, 12, 18, 26, 36)[level]
    return _warped(image, degrees if rng.random() < 0.5 else -degrees, 1, np.zeros(2))


_CORRUPT: dict[Corruption, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "blur": _blur,
    "motion_blur": _motion_blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "low_light": _low_light,
    "gamma": _gamma,
    "low_resolution": _low_resolution,
    "upper_face_hidden": _upper,
    "lower_face_hidden": _lower,
    "mask": _mask,
    "shift": _shift,
    "loose_crop": _loose_crop,
    "rotation": _rotation,
}
