"""The picture of a planned row, for the layouts with one face a picture."""

import numpy as np

from fer_core.pixels.opencv import cv2
from fer_core.sample.plan import Row
from fer_core.sample.portrait import shoot

__all__ = ["blank_frame", "picture", "text_frame"]


def picture(
    seed: int, domain: str, row: Row, size: int, oversample: int, *, freedom: float
) -> np.ndarray:
    """BGR picture of a row, uint8 [size, size, 3]; rows of one number and kind of subject give the
    same pixels.
    """
    if row.kind == "blank":
        return blank_frame(row.number, size)
    if row.kind == "text":
        return text_frame(row.number, size)
    return shoot(seed, domain, row.number, row.emotion, size, oversample, freedom=freedom)[0]


def blank_frame(number: int, size: int) -> np.ndarray:
    """A uniform frame, uint8 [size, size, 3]: black for number 0, another grey for each of the next
    255.
    """
    return np.full((size, size, 3), number * 37 % 256, np.uint8)


def text_frame(number: int, size: int) -> np.ndarray:
    """The picture a web site shows where an image was removed, uint8 [size, size, 3]."""
    canvas = np.full((4 * size, 4 * size, 3), 238 - number % 30, np.uint8)
    for line, text in enumerate(("IMAGE", "REMOVED", f"NO. {number}")):
        place = (round(0.4 * size), round((1.4 + 0.75 * line) * size))
        cv2.putText(
            canvas,
            text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            size / 55,
            (70, 70, 70),
            max(1, size // 12),
            cv2.LINE_AA,
        )
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
