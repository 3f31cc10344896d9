"""Frames with what was found."""

import numpy as np

from fer_cli.predict.drawing import annotated
from fer_cli.predict.output import Answer
from fer_core.base.labels import CLASSES
from fer_core.live.engine import Analysed
from fer_core.pixels.opencv import cv2

__all__ = ["drawn"]

_GROUND, _BAR, _WORDS = np.uint8(20), (0, 158, 115), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def drawn(result: Analysed) -> np.ndarray:
    """A copy of a frame with a box, number and label for each face, and bars of the main face."""
    answers = [
        Answer(
            "",
            face.track,
            face.box,
            face.name,
            float(face.smoothed.max()),
            [(CLASSES[int(face.smoothed.argmax())], float(face.smoothed.max()))],
            {},
        )
        for face in result.faces
    ]
    image = annotated(result.frame.image, answers)
    if result.main is not None:
        _bars(image, result.main.smoothed)
    return image


def _bars(image: np.ndarray, smoothed: np.ndarray) -> None:
    """Seven lines in the lower left corner."""
    height, width = image.shape[:2]
    line = max(9, height // 40)
    wide = min(max(100, width // 4), width)
    scale = cv2.getFontScaleFromHeight(_FONT, max(5, line // 2))
    top = height - line * len(CLASSES)
    image[max(top, 0) :, :wide] = (
        image[max(top, 0) :, :wide] // 3 + np.array(_GROUND, np.uint8) // 2
    )
    for row, (name, value) in enumerate(zip(CLASSES, smoothed, strict=True)):
        y = top + row * line
        end = wide // 2 + round(float(value) * (wide // 2 - 4))
        cv2.rectangle(image, (wide // 2, y + 2), (end, y + line - 3), _BAR, cv2.FILLED)
        cv2.putText(image, name, (3, y + line - 3), _FONT, scale, _WORDS, 1, cv2.LINE_AA)
