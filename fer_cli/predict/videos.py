"""Videos, frame by frame: every n-th one is answered as a photo is, and nothing of it is kept."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from fer_cli.predict.answering import Answering
from fer_cli.predict.drawing import annotated
from fer_cli.predict.faces import FaceReader
from fer_cli.predict.output import Answer
from fer_cli.predict.video_file import VideoOut, shown_frames
from fer_core.base.errors import DataError
from fer_core.live.sources import VideoSource

__all__ = ["Videos", "annotated_videos"]


@dataclass
class Videos:
    """How videos are read.

    Args:
        reader: finds faces in frames.
        answering: answers them.
        every: of how many frames one is looked at.
        copies: resolved path of each video -> annotated copy to write; empty for none.
    """

    reader: FaceReader
    answering: Answering
    every: int
    copies: dict[Path, Path]

    def answers(self, video: Path) -> Iterator[Answer]:
        """For each face of each frame that is looked at; a video that cannot be read has one with
        its error.

        Raises:
            DataError: it cannot be read, and the reader is strict.
        """
        try:
            source = VideoSource(video)
            copy = self.copies.get(video.resolve())
            rate = (source.rate or 30.0) / self.every
            with nullcontext() if copy is None else VideoOut(copy, rate) as drawn:
                for frame in shown_frames(source, video.name):
                    if frame.index % self.every:
                        continue
                    faces = [
                        replace(face, frame=frame.index, time=round(frame.time, 6))
                        for face in self.reader.of_picture(video, frame.image)
                    ]
                    found = self.answering.of(faces)
                    yield from found
                    if drawn is not None:
                        drawn.add(annotated(frame.image, found))
        except DataError as error:
            yield Answer(str(video), error=self.reader.refused(video, error))


def annotated_videos(videos: list[Path], folder: Path | None) -> dict[Path, Path]:
    """Where each video's annotated copy goes: its name as MP4; a second video of that name gets a
    number.

    Raises:
        DataError: a copy's name is taken.
    """
    names: dict[Path, Path] = {}
    if folder is None:
        return names
    for video in dict.fromkeys(video.resolve() for video in videos):
        ends = ("", *(f"-{number}" for number in range(2, len(videos) + 2)))
        free = (folder / f"{video.stem}{end}.mp4" for end in ends)
        names[video] = next(name for name in free if name not in names.values())
        if names[video].exists():
            raise DataError(
                "An annotated copy would overwrite this file.",
                where=names[video],
                remedy="give --annotate a new folder",
            )
    return names
