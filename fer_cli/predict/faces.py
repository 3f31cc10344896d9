"""The faces of image files as the network takes them, and what is odd about the files."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_cli.predict.inputs import Item, read_photo
from fer_cli.predict.output import in_one_line, in_text
from fer_core.base.errors import DataError
from fer_core.predict.detection import FaceBox, YuNet, crop_face
from fer_core.predict.predictor import Predictor

__all__ = ["FaceReader", "FoundFace", "in_reading_order"]

log = logging.getLogger(__name__)

_LONGEST_CROP, _NARROWEST_CROP = 1000, 1.6


@dataclass(frozen=True)
class FoundFace:
    """A face in a file; number and pixels are None for a file in which none was found or that
    cannot be read.

    Attributes:
        file: the image.
        number: of the face in the file.
        box: where it is, if faces were looked for.
        pixels: uint8 [size, size, 3], prepared for the network.
        error: why the file cannot be read.
        frame, time: of a video.
    """

    file: Path
    number: int | None = None
    box: FaceBox | None = None
    pixels: np.ndarray | None = None
    error: str | None = None
    frame: int | None = None
    time: float | None = None


class FaceReader:
    """Reads files one after another and keeps of each only what the network takes.

    Args:
        predictor: prepares the faces.
        detector: finds them; without one each image is taken as one face.
        margin: of `crop_face`.
        max_pixels: of `read_photo`.
        strict: the first file that cannot be read is an error; otherwise it is logged and gives an
            entry with its error.

    Attributes:
        unread: files that could not be read so far.
        photos: files so far that were taken as one face and look like a photo.
    """

    def __init__(
        self,
        predictor: Predictor,
        detector: YuNet | None,
        margin: float,
        max_pixels: int,
        strict: bool,
    ) -> None:
        self._predictor, self._detector = predictor, detector
        self._margin, self._max_pixels, self._strict = margin, max_pixels, strict
        self.unread: list[Path] = []
        self.photos: list[Path] = []

    def faces(self, items: Iterable[Item]) -> Iterator[FoundFace]:
        """Every face of every file, and one entry for each file without.

        Raises:
            DataError: strict, and a file cannot be read.
        """
        for item in items:
            try:
                yield from self._of_image(item.file, self._image(item))
            except DataError as error:
                yield FoundFace(item.file, error=self.refused(item.file, error))

    def refused(self, file: Path, error: DataError) -> str:
        """Note a file that cannot be read, and say why in one line.

        Raises:
            DataError: strict.
        """
        if self._strict:
            raise error
        self.unread.append(file)
        log.error("%s: %s", in_text(str(error.where)), in_one_line(error))
        return in_one_line(error)

    def _image(self, item: Item) -> np.ndarray:
        if item.fault is not None:
            raise item.fault
        return read_photo(item.file, self._max_pixels)

    def _of_image(self, file: Path, image: np.ndarray) -> Iterator[FoundFace]:
        if self._detector is None and max(image.shape[:2]) > min(
            _LONGEST_CROP, _NARROWEST_CROP * min(image.shape[:2])
        ):
            self.photos.append(file)
        yield from self.of_picture(file, image)

    def of_picture(self, file: Path, image: np.ndarray) -> list[FoundFace]:
        """Every face of a picture, or one entry without a face."""
        if self._detector is None:
            return [FoundFace(file, 1, None, self._predictor.prepare([image])[0])]
        boxes = in_reading_order(self._detector.detect(image))
        return [
            FoundFace(
                file, number, box, self._predictor.prepare([crop_face(image, box, self._margin)])[0]
            )
            for number, box in enumerate(boxes, start=1)
        ] or [FoundFace(file)]


def in_reading_order(boxes: Sequence[FaceBox]) -> list[FaceBox]:
    """Boxes row by row from the top, in each row from left to right. A face belongs to the row of
    the highest one if its centre is less than half of that one's height lower.
    """
    rows: list[list[FaceBox]] = []
    for box in sorted(boxes, key=lambda box: (box.top + box.height / 2, box.left)):
        first = rows[-1][0] if rows else None
        middle = box.top + box.height / 2
        if first is None or middle >= first.top + first.height:
            rows.append([])
        rows[-1].append(box)
    return [box for row in rows for box in sorted(row, key=lambda box: (box.left, box.top))]
