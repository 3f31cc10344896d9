"""Faces cut out of whole photos, framed as `fer predict --detect` frames them, in the folders in
which the photos lie.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.files import harmless_cell, write_text
from fer_core.pixels.framing import MARGIN, FaceBox, crop_face
from fer_core.pixels.opencv import cv2
from fer_core.pixels.picture_files import is_image
from fer_core.predict.detection import YuNet, shrunk_to
from fer_core.sources.files.subjects import SUBJECTS, read_subjects
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.photos import decode_photo, upright

__all__ = [
    "CropWishes",
    "Outcome",
    "PhotoFaces",
    "Several",
    "crop_photos",
    "cut_out",
    "photos_in",
    "tile",
    "write_face",
    "write_log",
    "write_subjects",
]

_TILE, _QUALITY = 128, 80
_FRAME, _LOST = (0, 158, 115), (117, 112, 179)


class Several(StrEnum):
    """What to do with a photo of several faces."""

    largest = "largest"
    all = "all"
    skip = "skip"


class Outcome(StrEnum):
    """What became of a photo."""

    one = "one face"
    several = "several faces"
    none = "no face"
    unread = "not read"


@dataclass(frozen=True)
class CropWishes:
    """How faces are cut.

    Attributes:
        several: what to do with several faces in one photo.
        margin: of `crop_face`.
        side: a larger crop is shrunk to so many pixels.
        max_pixels: photos of more pixels are not read.
    """

    several: Several = Several.largest
    margin: float = MARGIN
    side: int = 512
    max_pixels: int = 200_000_000


@dataclass(frozen=True)
class PhotoFaces:
    """A photo, and the faces in it.

    Attributes:
        photo: its path below the folder of photos.
        outcome: what became of it.
        boxes: of all faces, the largest first.
        files: of the faces that were cut out, below the folder of faces, in the order of `boxes`.
        fault: why it was not read.
        tiles: JPEG of each face that was cut; where there is none, of the photo with its boxes.
    """

    photo: str
    outcome: Outcome
    boxes: Sequence[FaceBox] = ()
    files: Sequence[str] = ()
    fault: str = ""
    tiles: Sequence[bytes] = ()


def photos_in(tree: RawTree) -> list[str]:
    """Pictures by their names, in order.

    Raises:
        DataError: there is none.
    """
    photos = [path for path in tree.walk() if is_image(path)]
    if not photos:
        raise DataError("There are no pictures here.", where=tree.place, expected="photos")
    return photos


def crop_photos(
    tree: RawTree, photos: Sequence[str], out: Path, detector: YuNet, wishes: CropWishes
) -> Iterator[PhotoFaces]:
    """Cut the faces of photos, one photo after another, into PNG files below `out`."""
    names = _names(photos)
    for photo in photos:
        try:
            stored = decode_photo(tree.read(photo), tree.where(photo), wishes.max_pixels)
        except (DataError, OSError) as error:
            yield PhotoFaces(photo, Outcome.unread, fault=" ".join(str(error).split()))
            continue
        picture = upright(*stored)
        boxes, faces = cut_out(picture, detector, wishes)
        files = [
            f"{names[photo]}{f'.face{number}' if number > 1 else ''}.png"
            for number in range(1, len(faces) + 1)
        ]
        for file, face in zip(files, faces, strict=True):
            write_face(out / file, face)
        outcome = (Outcome.none, Outcome.one, Outcome.several)[min(len(boxes), 2)]
        tiles = [tile(face) for face in faces] or [tile(_framed(picture, boxes))]
        yield PhotoFaces(photo, outcome, boxes, files, tiles=tiles)


def cut_out(
    picture: np.ndarray, detector: YuNet, wishes: CropWishes
) -> tuple[list[FaceBox], list[np.ndarray]]:
    """The boxes of all faces of an upright RGB picture, the largest first, and the faces that were
    cut out, in the order of their boxes.
    """
    boxes = detector.detect(picture)
    cut = boxes if len(boxes) < 2 or wishes.several is Several.all else boxes[:1]
    if len(boxes) > 1 and wishes.several is Several.skip:
        cut = []
    return boxes, [shrunk_to(crop_face(picture, box, wishes.margin), wishes.side) for box in cut]


def write_log(path: Path, found: Sequence[PhotoFaces]) -> None:
    """A CSV line for each face, and one for each photo without: where it is and what became of it;
    boxes count pixels of the upright photo.
    """
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    head = ("photo", "face", "left", "top", "width", "height", "score", "outcome", "crop")
    table.writerow(head)
    for one in found:
        photo = harmless_cell(one.photo, is_path=True)
        if not one.boxes:
            table.writerow([photo, *[""] * 6, one.fault or one.outcome, ""])
        for number, box in enumerate(one.boxes, start=1):
            crop = one.files[number - 1] if number <= len(one.files) else ""
            place = (box.left, box.top, box.width, box.height, f"{box.score:.3f}")
            outcome = "cut out" if crop else f"left out: one of {len(one.boxes)} faces"
            table.writerow([photo, number, *place, outcome, harmless_cell(crop, is_path=True)])
    write_text(path, stream.getvalue())


def write_subjects(tree: RawTree, out: Path, found: Sequence[PhotoFaces]) -> list[str]:
    """Carry every table of persons over to the names of the crops; returns the tables.

    Raises:
        DataError: a table is faulty.
    """
    crops = {one.photo: one.files for one in found}
    tables = [path for path in tree.walk() if PurePosixPath(path).name == SUBJECTS]
    for table in tables:
        folder = PurePosixPath(table).parent
        subjects = read_subjects(tree, "" if str(folder) == "." else str(folder))
        assert subjects is not None, table
        stream = io.StringIO()
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(["file", "subject"])
        for photo, (person, _) in subjects.named.items():
            for crop in crops.get(photo, ()):
                lines.writerow([PurePosixPath(crop).relative_to(folder).as_posix(), person])
        write_text(out / table, stream.getvalue())
    return tables


def _names(photos: Sequence[str]) -> dict[str, str]:
    """Path of each photo's crops without their ending; `a.jpg` and `a.png` keep theirs inside."""
    short = {photo: str(PurePosixPath(photo).with_suffix("")) for photo in photos}
    counts: dict[str, int] = {}
    for name in short.values():
        counts[name.lower()] = counts.get(name.lower(), 0) + 1
    return {photo: photo if counts[name.lower()] > 1 else name for photo, name in short.items()}


def write_face(path: Path, face: np.ndarray) -> None:
    """Write an RGB face as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))[1].tobytes())


def _framed(picture: np.ndarray, boxes: Sequence[FaceBox]) -> np.ndarray:
    """A small copy of a photo with its boxes."""
    small = shrunk_to(picture, _TILE).copy()
    scale = max(small.shape[:2]) / max(picture.shape[:2])
    for box in boxes:
        left, top = round(box.left * scale), round(box.top * scale)
        corner = (round((box.left + box.width) * scale), round((box.top + box.height) * scale))
        cv2.rectangle(small, (left, top), corner, _FRAME if len(boxes) == 1 else _LOST, 1)
    return small


def tile(picture: np.ndarray) -> bytes:
    """A small JPEG of an RGB picture, for a sheet."""
    small = cv2.cvtColor(shrunk_to(picture, _TILE), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
