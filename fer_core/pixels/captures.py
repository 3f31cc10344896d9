"""OpenCV's captures: opened without a word, and without a way from a file to the network."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from fer_core.pixels.opencv import cv2

__all__ = ["is_picture", "opened"]

_OPENING_MS = 10_000


def is_picture(image: object) -> bool:
    """True for what a capture gives as a frame; a broken one may be empty."""
    return isinstance(image, np.ndarray) and image.ndim == 3 and image.size > 0


def opened(name: int | str, *, stream: bool = False, file: bool = False) -> Any:
    """OpenCV's capture, or None; it says nothing by itself. A file may not lead to the network."""
    options: list[int] = []
    if stream:
        options = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPENING_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _OPENING_MS),
        ]
    with _silent(), _allowed("file,crypto,data" if file else None):
        try:
            capture = cv2.VideoCapture(name, _backend(name), options)
        except cv2.error:
            return None
        if not capture.isOpened():
            capture.release()
            return None
    return capture


def _backend(name: int | str) -> int:
    return cv2.CAP_ANY if isinstance(name, int) else cv2.CAP_FFMPEG


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


@contextlib.contextmanager
def _allowed(protocols: str | None) -> Iterator[None]:
    """FFmpeg may use these protocols only: a playlist among files could name addresses."""
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    before = os.environ.get(name)
    if protocols:
        os.environ[name] = f"protocol_whitelist;{protocols}"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
