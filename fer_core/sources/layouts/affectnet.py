"""AffectNet, first release: two lists of the photos that were annotated by hand; each face is cut
out and encoded again.

Mollahosseini, Hasani and Mahoor, "AffectNet: a database for facial expression, valence, and arousal
computing in the wild", 2017. Columns: subDirectory_filePath face_x face_y face_width face_height
facial_landmarks (x;y;…) expression valence arousal; the header line is missing in validation.csv of
some copies. One labelled face of the official training.csv has NULL for a box.

The labels of the official test set are not public. What papers report is the validation set, 500
faces of each class: its split is "test" here, that of the training set "train". Subjects are not
known: each photo is a group of its own.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.pixels.decode import UndecodableImage
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.affectnet_expressions import EXPRESSIONS, Expression
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
from fer_core.sources.images.crops import Box, cut_face
from fer_core.sources.images.orientation import decode_stored

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "affectnet"
ADAPTER_VERSION = 2

_SPLITS = {"training": "train", "validation": "test"}  # of each list; see above
_LISTS = "Manually_Annotated_file_lists"
_IMAGES = "Manually_Annotated_Images"
# folders around these, as the archives and their unpacked copies have them
_TOPS = (
    "",
    "Manually_Annotated/",
    "Manually_Annotated/Manually_Annotated/",
    "Manually_Annotated_compressed/",
)
_LIST_FOLDERS = [
    f"{top}{folder}" for folder in (f"{_LISTS}/", f"{_LISTS}/{_LISTS}/", "") for top in _TOPS[:3]
]
_IMAGE_FOLDERS = [f"{top}{folder}" for top in _TOPS for folder in (_IMAGES, f"{_IMAGES}/{_IMAGES}")]
_BOX = ["face_x", "face_y", "face_width", "face_height"]
_HEADER = ["subDirectory_filePath", *_BOX, "facial_landmarks", "expression", "valence", "arousal"]
_NO_BOX = "NULL"
_LARGEST = 1_000_000  # of any number of a box: more is a slip


class _Entry(NamedTuple):
    photo: str
    expression: Expression
    box: Box | None  # top, left, bottom, right; None where the list gives none, or is not asked
    usage: str
    line: int

    @property
    def split(self) -> str:
        return _SPLITS[self.usage]


def recognise(tree: RawTree) -> bool:
    """True where the list of the training photos lies in its folder, or beside the photos."""
    folder = next(
        (folder for folder in _LIST_FOLDERS if tree.is_file(f"{folder}training.csv")), None
    )
    return folder is not None and (
        _LISTS in folder or any(tree.is_dir(images) for images in _IMAGE_FOLDERS)
    )


def files(tree: RawTree) -> list[str]:
    """Both lists and the photos."""
    return [*_lists(tree).values(), *[folder for folder in _IMAGE_FOLDERS if tree.is_dir(folder)]]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per split and expression."""
    announced: Announced = {}
    lists = _lists(tree)
    for entry in _entries(tree, lists):
        tally(announced, entry.split, entry.expression.word)
    check_official_counts(
        LAYOUT, announced, " and ".join(str(tree.where(name)) for name in lists.values())
    )
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a line, in the order of the lists; only photos of faces of the seven
    classes are opened.
    """
    lists = _lists(tree)
    entries = list(_entries(tree, lists))
    folder = _image_folder(tree, entries, lists)
    return ordered_map(
        lambda entry: _item(tree, f"{folder}/{entry.photo}", entry, source, options),
        entries,
        chunk=4,
    )


def _item(
    tree: RawTree, path: str, entry: _Entry, source: str, options: CleanOptions
) -> Face | Exclusion:
    key, where = f"{source}/{entry.photo}", tree.where(path)

    def excluded(reason: str, detail: object) -> Exclusion:
        return Exclusion(
            key, reason, str(detail), entry.split, entry.expression.word, lambda: tree.read(path)
        )

    if entry.expression.reason:
        return excluded(entry.expression.reason, entry.photo)
    if entry.box is None:
        return excluded("AffectNet: no face box", entry.photo)
    data = tree.read(path)
    try:
        photo = decode_stored(data, where, options.max_pixels)
    except UndecodableImage as error:
        return excluded(UNDECODABLE, f"{entry.photo}: {error.problem} {error.found}")
    cut = cut_face(data, photo, entry.box, options.affectnet.pad_ratio, options.crops, where)
    if cut is None:
        return excluded("AffectNet: box without area inside the photo", entry.box)
    return Face(
        sample_id=key,
        image=cut.image,
        label=entry.expression.label,
        split=entry.split,
        usage=entry.usage,
        group=key,
        orig_image=entry.photo,
        box=entry.box,
        note=cut.note,
    )


def _lists(tree: RawTree) -> dict[str, str]:
    """Both lists by usage.

    Raises:
        DataError: one is missing.
    """
    return {
        usage: find_file(
            tree, [f"{folder}{usage}.csv" for folder in _LIST_FOLDERS], f"AffectNet {usage} list"
        )
        for usage in _SPLITS
    }


def _entries(tree: RawTree, lists: dict[str, str]) -> Iterator[_Entry]:
    """Lines of both lists with names, ids and boxes checked.

    Raises:
        DataError: as `_rows`; an unknown id, a box that is none, a path that leaves the data set, a
            photo listed twice.
    """
    seen: dict[str, str] = {}
    for usage, name in lists.items():
        file = tree.where(name)
        for line, columns in _rows(tree, name):
            photo = relative_path(columns[0], file, line)
            expression = EXPRESSIONS.get(columns[6])
            if expression is None:
                raise line_error(
                    f"Unknown expression id {columns[6]!r}.", file, line, expected="0 to 10"
                )
            if photo in seen:
                raise line_error(
                    f"A photo is listed twice, first in {seen[photo]}.",
                    file,
                    line,
                    expected="one line for each photo",
                )
            seen[photo] = f"{usage}.csv, line {line.number}"
            # the box of what is no face of the seven classes is of no use, and may be anything
            yield _Entry(
                photo,
                expression,
                None if expression.reason else _box(columns[1:5], file, line),
                usage,
                line.number,
            )


def _rows(tree: RawTree, name: str) -> Iterator[tuple[Line, list[str]]]:
    """Lines of a list and their columns, without the header line.

    Raises:
        DataError: no CSV, another header, a wrong number of columns.
    """
    file = tree.where(name)
    for index, line in enumerate(read_lines(tree, name)):
        try:
            columns = next(csv.reader([line.text], strict=True))
        except csv.Error as error:
            raise line_error(
                f"A line is not CSV: {error}.", file, line, expected=",".join(_HEADER)
            ) from error
        if index == 0 and columns[0] == _HEADER[0]:
            if columns != _HEADER:
                raise line_error(
                    "The list has another header.", file, line, expected=",".join(_HEADER)
                )
        elif len(columns) != len(_HEADER):
            expected = f"{len(_HEADER)}: {','.join(_HEADER)}"
            raise line_error(
                "A line has the wrong number of columns.", file, line, expected=expected
            )
        else:
            yield line, columns


def _box(columns: list[str], file: Path, line: Line) -> Box | None:
    """Top, left, bottom and right of face_x, face_y, face_width and face_height; None for NULL.

    Raises:
        DataError: not whole numbers, or out of range.
    """
    if _NO_BOX in columns:
        return None
    try:
        x, y, width, height = (int(text) for text in columns)
    except ValueError as error:
        expected = f"whole numbers, or {_NO_BOX}, for {', '.join(_BOX)}"
        raise line_error(
            "A number of the face box is none.", file, line, expected=expected
        ) from error
    if not all(abs(number) <= _LARGEST for number in (x, y, width, height)):
        raise line_error(
            "A number of the face box is out of range.", file, line, expected=f"at most {_LARGEST}"
        )
    return y, x, y + height, x + width


def _image_folder(tree: RawTree, entries: list[_Entry], lists: dict[str, str]) -> str:
    """The folder that holds the photos, by the first that is needed.

    Raises:
        DataError: photos are missing there; names the first and says how many.
    """
    needed = [entry for entry in entries if entry.box is not None]
    first = needed[0].photo if needed else ""
    folder = next(
        (name for name in _IMAGE_FOLDERS if tree.is_file(f"{name}/{first}")), _IMAGE_FOLDERS[0]
    )
    missing = [entry for entry in needed if not tree.is_file(f"{folder}/{entry.photo}")]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(needed)} listed photos are missing.",
            where=f"{tree.where(lists[missing[0].usage])}, line {missing[0].line}",
            found=f"no file {missing[0].photo!r}",
            expected=f"it in {tree.where(folder)} (looked in {', '.join(_IMAGE_FOLDERS)})",
            remedy="unpack all volumes of the image archive, Manually_Annotated.part*.rar",
        )
    return folder
