"""ExpW (Expression in-the-Wild): `label.lst` with eight columns, whole photos; each face is cut out and encoded again.

Zhang et al., "From facial expression recognition to interpersonal relation prediction", 2018. Columns: image_name
face_id_in_image face_box_top face_box_left face_box_right face_box_bottom face_box_cofidence(sic) expression_label; note the order
top, left, RIGHT, BOTTOM. Expression ids are the canonical class order. The data set has no splits: all faces are "train" here, and
the manifest carves val and calib by whole photos.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2

from fer_core.errors import DataError
from fer_core.labels import CLASSES, N_CLASSES
from fer_core.sources.decode import UndecodableImage, decode_rgb
from fer_core.sources.faces import UNDECODABLE, Announced, Exclusion, Face, tally
from fer_core.sources.label_files import Line, find_file, line_error, read_lines, relative_path
from fer_core.sources.options import CleanOptions
from fer_core.sources.parallel import ordered_map
from fer_core.sources.tree import names_in

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "crop_box", "files", "recognise", "scan"]

LAYOUT = "expw"
ADAPTER_VERSION = 1

_LISTS = ["label.lst", "label/label.lst"]
_FOLDERS = ("image/origin", "origin", "origin/origin", "image/origin/origin", "image")
_SPLIT = "train"
_COLUMNS = "image_name face_id top left right bottom confidence expression"

Box = tuple[int, int, int, int]


class _Entry(NamedTuple):
    photo: str
    face_id: int
    box: Box  # top, left, bottom, right
    confidence: float
    label: int
    line: Line


def recognise(root: Path) -> bool:
    """True where the label list lies in the folder."""
    return any((root / name).is_file() for name in _LISTS)


def files(root: Path) -> list[Path]:
    """The label list and the photos."""
    tops = [root / name for name in ("image", "origin") if (root / name).is_dir()]
    return [find_file(root, _LISTS, "ExpW label list"), *tops]


def announce(root: Path, options: CleanOptions) -> Announced:
    """Listed faces per class."""
    announced: Announced = {}
    for entry in _entries(files(root)[0]):
        tally(announced, _SPLIT, CLASSES[entry.label])
    return announced


def scan(root: Path, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a line, photo by photo in the order of the list; each photo is decoded once."""
    label_file = files(root)[0]
    photos: dict[str, list[_Entry]] = defaultdict(list)
    for entry in _entries(label_file):
        photos[entry.photo].append(entry)
    folder = _photo_folder(root, photos, label_file)

    def items(entries: list[_Entry]) -> list[Face | Exclusion]:
        return _faces_of_photo(folder / entries[0].photo, entries, source, options)

    return (item for of_photo in ordered_map(items, photos.values(), chunk=4) for item in of_photo)


def crop_box(box: Box, pad_ratio: float, width: int, height: int) -> tuple[Box, bool]:
    """The box to cut out: padded on each side by `pad_ratio` of its own size, rounded, kept inside the photo.

    Args:
        box: top, left, bottom, right in pixels; bottom and right are the first row and column outside.
        pad_ratio: 0 leaves it as it is.
        width: of the photo.
        height: of the photo.

    Returns:
        The box and whether the photo's edge cut it. It has no area where the face lies outside the photo.
    """
    top, left, bottom, right = box
    tall, wide = round((bottom - top) * pad_ratio), round((right - left) * pad_ratio)
    wanted = (top - tall, left - wide, bottom + tall, right + wide)
    inside = (max(wanted[0], 0), max(wanted[1], 0), min(wanted[2], height), min(wanted[3], width))
    return inside, inside != wanted


def _faces_of_photo(path: Path, entries: list[_Entry], source: str, options: CleanOptions) -> list[Face | Exclusion]:
    def excluded(entry: _Entry, reason: str, detail: object) -> Exclusion:
        return Exclusion(f"{source}/{entry.photo}#{entry.face_id}", reason, str(detail), _SPLIT, CLASSES[entry.label])

    if all(entry.confidence < options.expw_min_confidence for entry in entries):
        return [excluded(entry, "ExpW: confidence below the minimum", entry.confidence) for entry in entries]
    try:
        photo = cv2.cvtColor(decode_rgb(path.read_bytes(), path, options.max_pixels), cv2.COLOR_RGB2BGR)
    except UndecodableImage as error:
        return [excluded(entry, UNDECODABLE, f"{entry.photo}: {error.problem} {error.found}") for entry in entries]
    items: list[Face | Exclusion] = []
    for entry in entries:
        (top, left, bottom, right), clipped = crop_box(entry.box, options.expw_pad_ratio, photo.shape[1], photo.shape[0])
        if entry.confidence < options.expw_min_confidence:
            items.append(excluded(entry, "ExpW: confidence below the minimum", entry.confidence))
        elif bottom <= top or right <= left:
            items.append(excluded(entry, "ExpW: box without area inside the photo", entry.box))
        else:
            items.append(
                Face(
                    sample_id=f"{source}/{entry.photo}#{entry.face_id}",
                    image=_jpeg(photo[top:bottom, left:right], options.jpeg_quality, path),
                    label=entry.label,
                    split=_SPLIT,
                    usage="",
                    group=f"{source}/{entry.photo}",
                    confidence=entry.confidence,
                    orig_image=entry.photo,
                    face_id=entry.face_id,
                    box=entry.box,
                    note="box clipped to the photo" if clipped else "",
                )
            )
    return items


def _jpeg(crop: cv2.typing.MatLike, quality: int, where: Path) -> bytes:
    """JPEG without chroma subsampling."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", crop, settings)
    if not done:
        raise DataError("A face cannot be encoded as JPEG.", where=where)
    return data.tobytes()


def _entries(file: Path) -> list[_Entry]:
    """The list with names, numbers and ids checked.

    Raises:
        DataError: wrong number of columns, not a number, unknown id, a path that leaves the data set, a face listed twice.
    """
    entries: list[_Entry] = []
    seen: dict[tuple[str, int], int] = {}
    for line in read_lines(file):
        columns = line.text.split()
        if len(columns) != 8:
            raise line_error("A line has the wrong number of columns.", file, line, expected=f"8: {_COLUMNS}")
        photo = relative_path(columns[0], file, line)
        try:
            face_id, top, left, right, bottom = (int(text) for text in columns[1:6])
            confidence = float(columns[6])
        except ValueError as error:
            raise line_error("A column is not a number.", file, line, expected=_COLUMNS) from error
        if not math.isfinite(confidence) or face_id < 0:
            raise line_error("A number is out of range.", file, line, expected="a finite confidence and a face id of 0 or more")
        if columns[7] not in [str(index) for index in range(N_CLASSES)]:
            raise line_error(f"Unknown expression id {columns[7]!r}.", file, line, expected="0 to 6")
        if (photo, face_id) in seen:
            first = seen[photo, face_id]
            raise line_error(f"A face is listed twice, first in line {first}.", file, line, expected="one line for each face of a photo")
        seen[photo, face_id] = line.number
        entries.append(_Entry(photo, face_id, (top, left, bottom, right), confidence, int(columns[7]), line))
    return entries


def _photo_folder(root: Path, photos: dict[str, list[_Entry]], label_file: Path) -> Path:
    """The folder that holds the photos.

    Raises:
        DataError: photos are missing there; names the first and says how many.
    """
    first = next(iter(photos), "")
    folder = next((root / name for name in _FOLDERS if (root / name / first).is_file()), root / _FOLDERS[0])
    listed = names_in(folder)
    missing = [name for name in photos if name not in listed and not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(photos)} listed photos are missing.",
            where=f"{label_file}, line {photos[missing[0]][0].line.number}",
            found=f"no file {missing[0]!r}",
            expected=f"it in {folder} (looked in {', '.join(_FOLDERS)})",
            remedy="unpack all volumes of the image archive; the first is misnamed origin.7z.001.001 and must be called origin.7z.001",
        )
    return folder
