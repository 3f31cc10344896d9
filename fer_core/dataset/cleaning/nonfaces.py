"""Frames that show no face: blank ones and placeholders ("image not available", warning signs) on a
plain ground.

The rules are conservative: dark, overexposed and drawn faces must pass. On FER2013 they flag frames
that are blank or that a web server sent in place of the picture (44 of the 28,709 Training and
3,589 PublicTest images), and no face (seen by eye).
"""

import numpy as np

from fer_core.dataset.store.imagehash import grey_plane
from fer_core.pixels.opencv import cv2

__all__ = ["BLANK", "TEXT", "non_face"]

BLANK, TEXT = "blank", "text"

_SIDE = 48
_BLANK_DEVIATION = 3.0  # grey levels; the darkest real face of FER2013 has 9.1
_PLAIN_ROWS = (
    0.4  # share of rows that are nothing but ground; faces before a plain wall stay below 0.3
)
_GROUND_ELSEWHERE = 0.2  # share of ground in the other rows; a letterboxed face has next to none
_LEAST_RANGE = 64


def non_face(image: np.ndarray) -> str:
    """The flag of a picture: "" for a face, "blank" for a uniform frame, "text" for text or a sign
    on a plain ground.

    Args:
        image: uint8 [height, width] or [height, width, 3] RGB.
    """
    grey = grey_plane(image)
    if float(grey.std()) < _BLANK_DEVIATION:
        return BLANK
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    spread = int(small.max()) - int(small.min())
    if spread < _LEAST_RANGE:
        return ""
    ground = int(np.bincount(small.ravel(), minlength=256).argmax())
    is_ground = np.abs(small - ground) <= max(3, spread // 20)
    plain = is_ground.mean(axis=1) >= 0.97
    others = is_ground[~plain]
    return (
        TEXT
        if plain.mean() >= _PLAIN_ROWS and (others.size == 0 or others.mean() >= _GROUND_ELSEWHERE)
        else ""
    )
