"""Frames with what was found, and the video of them."""

from pathlib import Path
from types import TracebackType

import numpy as np

from fer_cli.predict.drawing import annotated
from fer_cli.predict.output import Answer
from fer_core.base.errors import WriteError
from fer_core.base.labels import CLASSES
from fer_core.live.engine import Analysed
from fer_core.pixels.opencv import cv2

__all__ = ["VideoOut", "drawn"]

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


class VideoOut:
    """A video file that frames are added to; its size is that of the first.

    Args:
        path: MP4.
        rate: frames a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, image: np.ndarray) -> None:
        """Append an RGB frame.

        Raises:
            WriteError: the video cannot be written.
        """
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            self._size = size
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, code, self._rate, size)
        if not self._writer.isOpened():
            raise WriteError("The video cannot be written.", where=self._path)
        image = image if size == self._size else cv2.resize(image, self._size)
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def __enter__(self) -> "VideoOut":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.release()
