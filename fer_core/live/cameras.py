"""Cameras and streams: the newest frame wins, and those that nobody took are counted."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fer_core.base.errors import DataError
from fer_core.live.frames import Frame, Source
from fer_core.pixels.captures import is_picture
from fer_core.pixels.opencv import cv2

__all__ = ["CameraSource"]

_SILENT_S = 5.0


class CameraSource(Source):
    """A camera or stream, read by a thread of its own so that the newest frame wins.

    Args:
        name: its number or address.
        opening: gives OpenCV's capture, or None where it cannot be opened.
        kind: camera or stream.
        clock: seconds.
    """

    waits = False

    def __init__(
        self,
        name: str,
        opening: Callable[[], Any],
        kind: str = "camera",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind, self.name, self._clock = kind, name, clock
        self._capture = opening()
        if self._capture is None:
            raise DataError(
                f"There is no such {kind}, or another program holds it.",
                where=name,
                expected="a camera's number (0 is the first) or the address of a stream",
                remedy="close other programs that use it, allow this one to use it, or try 1",
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else None
        self._news = threading.Condition()
        self._newest: tuple[float, np.ndarray] | None = None
        self._missed = 0
        self._closed = self._gone = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def _read(self) -> None:
        while not self._closed:
            try:
                there, image = self._capture.read()
            except cv2.error:
                there, image = False, None
            with self._news:
                if not there:
                    self._gone = True
                elif is_picture(image):
                    self._missed += self._newest is not None
                    self._newest = (self._clock(), image)
                else:
                    self._missed += 1
                self._news.notify()
            if not there:
                break
        self._capture.release()

    def frames(self) -> Iterator[Frame]:
        """The newest frame each time, until `close`.

        Raises:
            DataError: the camera went away, or gives nothing for some seconds.
        """
        self._thread.start()
        index, start, before = 0, 0.0, -1.0
        while True:
            with self._news:
                self._news.wait_for(
                    lambda: self._newest is not None or self._gone or self._closed, _SILENT_S
                )
                newest, missed, self._newest, self._missed = self._newest, self._missed, None, 0
            if self._closed:
                return
            if newest is None:
                raise DataError(
                    f"The {self.kind} went away."
                    if self._gone
                    else f"The {self.kind} gives no pictures.",
                    where=self.name,
                    found=f"{index} frames before",
                    remedy="look at plug and network; what was written is whole",
                )
            seen, image = newest
            start = seen if index == 0 else start
            before = max(seen - start, before + 1e-4)
            yield Frame(index, max(before, 0.0), cv2.cvtColor(image, cv2.COLOR_BGR2RGB), missed)
            index += 1

    def close(self) -> None:
        """Let go of it."""
        with self._news:
            self._closed = True
            self._news.notify()
