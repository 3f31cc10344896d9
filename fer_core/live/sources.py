"""Where moving pictures come from: a camera, a video file, a folder of frames or a stream.

Times of files are their own; those of cameras and streams are a clock's that never goes back. A
file gives every frame; a camera or stream gives the newest one and counts those that nobody took.
"""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer_core.base.errors import DataError
from fer_core.live.cameras import CameraSource
from fer_core.live.frames import Frame, Source
from fer_core.pixels.captures import is_picture, opened
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.opencv import cv2
from fer_core.pixels.picture_files import is_image, is_litter

__all__ = ["FolderSource", "PacedSource", "VideoSource", "open_source"]

_STREAM = re.compile(r"^(rtsps?|rtmps?|https?|udp|tcp)://", re.IGNORECASE)
_USUAL_RATE = 30.0


def open_source(name: str, rate: float | None = None) -> Source:
    """A camera by its number, a stream by its address, a video file or a folder of pictures by its
    path.

    Args:
        name: "0", "rtsp://…", "clip.mp4" or "frames/".
        rate: frames a second of a folder; default 30.

    Raises:
        DataError: it is not there or cannot be opened.
    """
    if re.fullmatch(r"[0-9]{1,3}", name):
        return CameraSource(name, lambda: opened(int(name)))
    if _STREAM.match(name):
        return CameraSource(name, lambda: opened(name, stream=True), kind="stream")
    path = Path(name)
    if path.is_dir():
        return FolderSource(path, rate or _USUAL_RATE)
    if not path.is_file():
        raise DataError(
            "There is no such source.",
            where=name,
            expected="a camera's number, a video file, a folder of frames, or an address that "
            "begins with rtsp:// or http://",
        )
    return VideoSource(path)


class VideoSource(Source):
    """A video file."""

    kind, waits = "video", True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._capture = opened(str(path), file=True)
        if self._capture is None:
            raise DataError(
                "This file cannot be read as a video.",
                where=path,
                expected="a video such as MP4, MKV, WebM or AVI",
                remedy="look whether another program plays it; a recording that was cut off may "
                "be repaired with `ffmpeg -i FILE -c copy NEW`",
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else None
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._closed = False
        self.count = int(count) if 0 < count < 2**40 else None

    def frames(self) -> Iterator[Frame]:
        """Every frame once, with the video's own times; where it has none, by its rate.

        Raises:
            DataError: the file has no frame that can be read.
        """
        step = 1 / (self.rate or _USUAL_RATE)
        index, before, start = 0, -step, 0.0
        while not self._closed:
            there, image = self._capture.read()
            if not there:
                break
            if not is_picture(image):
                continue
            place = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 - start
            if index == 0 and np.isfinite(place):
                start, place = place, 0.0
            before = place if np.isfinite(place) and place > before else before + step
            yield Frame(index, before, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            index += 1
        self._capture.release()
        if index == 0 and not self._closed:
            raise DataError(
                "This video has no frame that can be read.",
                where=self.name,
                remedy="look whether another program plays it",
            )

    def close(self) -> None:
        """Let `frames` end."""
        self._closed = True


class FolderSource(Source):
    """Pictures of a folder in the order of the numbers in their names."""

    kind, waits = "folder", True

    def __init__(self, path: Path, rate: float) -> None:
        self.name, self.rate, self._step = str(path), rate, 1 / rate
        self._files = sorted(
            (
                file
                for file in path.iterdir()
                if is_image(file.name) and not is_litter(file.name) and file.is_file()
            ),
            key=lambda file: [
                (0, int(part), "") if part.isdecimal() else (1, 0, part)
                for part in re.split(r"(\d+)", file.name)
                if part
            ],
        )
        if not self._files:
            raise DataError("This folder holds no pictures.", where=path)
        self.count = len(self._files)
        self._closed = False

    def frames(self) -> Iterator[Frame]:
        """Every picture that can be read; others leave a gap in time.

        Raises:
            DataError: none can be read.
        """
        index, dropped = 0, 0
        fault: DataError | None = None
        for place, file in enumerate(self._files):
            if self._closed:
                return
            try:
                image = decode_rgb(file.read_bytes(), file)
            except (DataError, OSError) as error:
                fault = error if isinstance(error, DataError) else DataError(str(error), where=file)
                dropped += 1
                continue
            yield Frame(index, place * self._step, image, dropped)
            index, dropped = index + 1, 0
        if index == 0 and fault is not None:
            raise fault

    def close(self) -> None:
        """Let `frames` end."""
        self._closed = True


class PacedSource(Source):
    """A file shown as fast as it was taken: no frame comes before its time.

    Args:
        source: that waits.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stopped = threading.Event()
        self.kind, self.name, self.waits = source.kind, source.name, source.waits
        self.count, self.rate = source.count, source.rate

    def frames(self) -> Iterator[Frame]:
        """Every frame of the source."""
        start = time.monotonic()
        for frame in self._source.frames():
            self._stopped.wait(frame.time - (time.monotonic() - start))
            if self._stopped.is_set():
                return
            yield frame

    def close(self) -> None:
        """Let `frames` end."""
        self._stopped.set()
        self._source.close()
