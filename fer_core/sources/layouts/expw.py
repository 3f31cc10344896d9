"""ExpW (Expression in-the-Wild): `label.lst` with eight columns, whole photos; each face is cut out
and encoded again.

Zhang et al., "From facial expression recognition to interpersonal relation prediction", 2018.
Columns: image_name face_id_in_image face_box_top face_box_left face_box_right face_box_bottom
face_box_cofidence(sic) expression_label; note the order top, left, RIGHT, BOTTOM. Expression ids
are the canonical class order. The data set has no splits: all faces are "train" here, and the
manifest carves val and calib by whole photos.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.pixels.decode import UndecodableImage
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import UNDECODABLE, Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import (
    Line,
    find_file,
    line_error,
    read_lines,
    relative_path,
)
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box, crop_box, encode_crop
from fer_core.sources.images.orientation import decode_stored, upright

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "expw"
ADAPTER_VERSION = 2

_LISTS = ["label.lst", "label/label.lst"]
_FOLDERS = ("image/origin", "origin", "origin/origin", "image/origin/origin", "image")
_SPLIT = "train"
_LARGEST = 1_000_000  # of any number: more is a slip
_COLUMNS = "image_name face_id top left right bottom confidence expression"


class _Entry(NamedTuple):
    photo: str
    face_id: int
    box: Box  # top, left, bottom, right
    confidence: float
    label: int
    line: Line


def recognise(tree: RawTree) -> bool:
    """True where the label list lies in the folder."""
    return any(tree.is_file(name) for name in _LISTS)


def files(tree: RawTree) -> list[str]:
    """The label list and the photos."""
    return [
        find_file(tree, _LISTS, "ExpW label list"),
        *[name for name in ("image", "origin") if tree.is_dir(name)],
    ]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per class."""
    labels = files(tree)[0]
    announced: Announced = {}
    for entry in _entries(tree, labels):
        tally(announced, _SPLIT, CLASSES[entry.label])
    check_official_counts(LAYOUT, announced, tree.where(labels))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a line, photo by photo in the order of the list; each photo is decoded
    once.
    """
    labels = files(tree)[0]
    photos: dict[str, list[_Entry]] = defaultdict(list)
    for entry in _entries(tree, labels):
        photos[entry.photo].append(entry)
    folder = _photo_folder(tree, photos, labels)

    def items(entries: list[_Entry]) -> list[Face | Exclusion]:
        return _faces_of_photo(tree, f"{folder}/{entries[0].photo}", entries, source, options)

    return (item for of_photo in ordered_map(items, photos.values(), chunk=4) for item in of_photo)


def _faces_of_photo(
    tree: RawTree, path: str, entries: list[_Entry], source: str, options: CleanOptions
) -> list[Face | Exclusion]:
    where = tree.where(path)

    def excluded(entry: _Entry, reason: str, detail: object) -> Exclusion:
        key = f"{source}/{entry.photo}#{entry.face_id}"
        return Exclusion(
            key, reason, str(detail), _SPLIT, CLASSES[entry.label], lambda: tree.read(path)
        )

    if all(entry.confidence < options.expw.min_confidence for entry in entries):
        return [
            excluded(entry, "ExpW: confidence below the minimum", entry.confidence)
            for entry in entries
        ]
    try:
        photo, orientation = decode_stored(tree.read(path), where, options.max_pixels)
    except UndecodableImage as error:
        return [
            excluded(entry, UNDECODABLE, f"{entry.photo}: {error.problem} {error.found}")
            for entry in entries
        ]
    items: list[Face | Exclusion] = []
    for entry in entries:
        (top, left, bottom, right), clipped = crop_box(
            entry.box, options.expw.pad_ratio, photo.shape[1], photo.shape[0]
        )
        if entry.confidence < options.expw.min_confidence:
            items.append(excluded(entry, "ExpW: confidence below the minimum", entry.confidence))
        elif bottom <= top or right <= left:
            items.append(excluded(entry, "ExpW: box without area inside the photo", entry.box))
        else:
            items.append(
                Face(
                    sample_id=f"{source}/{entry.photo}#{entry.face_id}",
                    image=encode_crop(
                        upright(photo[top:bottom, left:right], orientation), options.crops, where
                    ),
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


def _entries(tree: RawTree, labels: str) -> list[_Entry]:
    """The list with names, numbers and ids checked.

    Raises:
        DataError: wrong number of columns, not a number, unknown id, a path that leaves the data
            set, a face listed twice.
    """
    file = tree.where(labels)
    entries: list[_Entry] = []
    seen: dict[tuple[str, int], int] = {}
    for line in read_lines(tree, labels):
        columns = line.text.split()
        if len(columns) != 8:
            raise line_error(
                "A line has the wrong number of columns.", file, line, expected=f"8: {_COLUMNS}"
            )
        photo = relative_path(columns[0], file, line)
        try:
            face_id, top, left, right, bottom = (int(text) for text in columns[1:6])
            confidence = float(columns[6])
        except ValueError as error:
            raise line_error("A column is not a number.", file, line, expected=_COLUMNS) from error
        if face_id < 0 or not all(
            abs(number) <= _LARGEST for number in (face_id, top, left, right, bottom, confidence)
        ):
            expected = f"a face id of 0 or more, and numbers of at most {_LARGEST}"
            raise line_error("A number is out of range.", file, line, expected=expected)
        if columns[7] not in [str(index) for index in range(N_CLASSES)]:
            raise line_error(
                f"Unknown expression id {columns[7]!r}.", file, line, expected="0 to 6"
            )
        if (photo, face_id) in seen:
            first = seen[photo, face_id]
            raise line_error(
                f"A face is listed twice, first in line {first}.",
                file,
                line,
                expected="one line for each face of a photo",
            )
        seen[photo, face_id] = line.number
        entries.append(
            _Entry(photo, face_id, (top, left, bottom, right), confidence, int(columns[7]), line)
        )
    return entries


def _photo_folder(tree: RawTree, photos: dict[str, list[_Entry]], labels: str) -> str:
    """The folder that holds the photos.

    Raises:
        DataError: photos are missing there; names the first and says how many.
    """
    first = next(iter(photos), "")
    folder = next((name for name in _FOLDERS if tree.is_file(f"{name}/{first}")), _FOLDERS[0])
    missing = [name for name in photos if not tree.is_file(f"{folder}/{name}")]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(photos)} listed photos are missing.",
            where=f"{tree.where(labels)}, line {photos[missing[0]][0].line.number}",
            found=f"no file {missing[0]!r}",
            expected=f"it in {tree.where(folder)} (looked in {', '.join(_FOLDERS)})",
            remedy="unpack all volumes of the image archive; the first is misnamed "
            "origin.7z.001.001 and must be called origin.7z.001",
        )
    return folder
