"""Faces cut out of long videos, one frame every few seconds, so that all faces of a video are one
group of a data set.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_core.base.files import harmless_cell, write_text
from fer_core.predict.detection import YuNet
from fer_core.sources.cropping.clips import Clip
from fer_core.sources.cropping.cropping import CropWishes, cut_out, tile, write_face

__all__ = ["Cutter", "VideoFaces", "cut_video", "write_info"]


@dataclass
class VideoFaces:
    """What was found in a video.

    Attributes:
        clip: the video.
        seconds: time of the last frame that could be read.
        frames: that could be read.
        looked_at: frames in which faces were searched.
        with_face: frames in which one was found.
        found: faces.
        cut: faces that were cut out.
        fault: why it was not read, or not to its end.
        tiles: JPEG of some faces that were cut, spread over the video; without any, of its first
            frame.
    """

    clip: Clip
    seconds: float = 0.0
    frames: int = 0
    looked_at: int = 0
    with_face: int = 0
    found: int = 0
    cut: int = 0
    fault: str = ""
    tiles: Sequence[bytes] = ()

    @property
    def words(self) -> str:
        """What became of it."""
        return self.fault or ("" if self.cut else "no face" if not self.found else "left out")


@dataclass(frozen=True)
class Cutter:
    """What is the same for all videos.

    Attributes:
        out: folder of all faces.
        detector: finds them.
        wishes: how they are cut.
        tell: takes path and group of each face, a row of `subjects.csv`.
        tiles: most faces of a video that are shown.
    """

    out: Path
    detector: YuNet
    wishes: CropWishes
    tell: Callable[[tuple[str, str]], object]
    tiles: int


def cut_video(
    clip: Clip,
    frames: Iterable[tuple[float, np.ndarray]],
    every: float,
    cutter: Cutter,
) -> VideoFaces:
    """Cut the faces of the first frame and of one each `every` seconds after it; holds one frame
    at a time.

    Args:
        clip: the video.
        frames: seconds since the first and RGB pixels of every frame.
        every: seconds, at least 0.001.
        cutter: how faces are cut, and where they go.

    Raises:
        DataError: as `frames`.
    """
    done, shown = VideoFaces(clip), _Spread(cutter.tiles)
    step, due = max(round(every * 1000), 1), 0
    for seconds, picture in frames:
        done.seconds, done.frames = seconds, done.frames + 1
        time = round(seconds * 1000)
        if time < due:
            continue
        due = (time // step + 1) * step
        boxes, faces = cut_out(picture, cutter.detector, cutter.wishes)
        if not done.looked_at:
            shown.instead = tile(picture)
        done.looked_at += 1
        done.with_face += bool(boxes)
        done.found += len(boxes)
        for number, face in enumerate(faces, start=1):
            name = f"{clip.folder}/{time}_{number}.png"
            write_face(cutter.out / name, face)
            cutter.tell((name, clip.group))
            shown.add(face)
        done.cut += len(faces)
    done.tiles = shown.tiles
    return done


class _Spread:
    """Few of many faces, evenly spread, however many come."""

    def __init__(self, most: int) -> None:
        self._most, self._step, self._seen = most, 1, 0
        self._kept: list[bytes] = []
        self.instead = b""

    def add(self, face: np.ndarray) -> None:
        """Keep a face, or not; where there are too many every second one goes."""
        if self._seen % self._step == 0:
            if len(self._kept) == self._most:
                self._kept, self._step = self._kept[::2], self._step * 2
            if self._seen % self._step == 0:
                self._kept.append(tile(face))
        self._seen += 1

    @property
    def tiles(self) -> list[bytes]:
        """JPEG of those that were kept."""
        return self._kept or [self.instead]


def write_info(path: Path, found: Sequence[VideoFaces]) -> None:
    """A CSV line for each video: how much of it was read, and what was found in it."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    counts = ("frames", "looked_at", "with_face", "found", "cut")
    table.writerow(["video", "folder", "seconds", *counts, "outcome"])
    for one in found:
        video = harmless_cell(str(one.clip.file), is_path=True)
        numbers = [getattr(one, name) for name in counts]
        words = harmless_cell(one.words or "cut out")
        table.writerow([video, one.clip.folder, f"{one.seconds:.3f}", *numbers, words])
    write_text(path, stream.getvalue())
