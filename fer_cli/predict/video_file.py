"""Video files: read with a progress bar, and written frame by frame."""

from collections.abc import Generator
from pathlib import Path
from types import TracebackType

import numpy as np
from tqdm import tqdm

from fer_core.base.errors import WriteError
from fer_core.base.logs import progress_off
from fer_core.live.frames import Frame
from fer_core.live.sources import VideoSource
from fer_core.pixels.opencv import cv2

__all__ = ["VideoOut", "shown_frames"]


def shown_frames(source: VideoSource, name: str) -> Generator[Frame]:
    """Every frame of a video, with a progress bar; where the length is not known it counts.

    Raises:
        DataError: the video has no frame that can be read.
    """
    yield from tqdm(
        source.frames(),
        total=source.count,
        desc=name,
        unit="frame",
        leave=False,
        disable=progress_off(),
    )


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
