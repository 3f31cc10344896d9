"""FER2013 in its official form: `fer2013.csv` with `emotion,pixels,Usage`, 48 x 48 grey values a row.

Goodfellow et al., "Challenges in representation learning", 2013. Emotion ids are the canonical class order. Faces become PNG.
Kaggle's `icml_face_data.csv` is the same table with other columns first: `emotion, Usage, pixels`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from fer_core.errors import DataError
from fer_core.labels import CLASSES, N_CLASSES
from fer_core.sources.faces import Announced, Exclusion, Face, tally
from fer_core.sources.label_files import Line, find_file, line_error, read_lines
from fer_core.sources.official_counts import check_official_counts
from fer_core.sources.options import CleanOptions
from fer_core.sources.parallel import ordered_map
from fer_core.sources.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "SPLIT_OF_USAGE", "TABLES", "Row", "announce", "encode", "files", "read_rows", "recognise", "scan"]

LAYOUT = "fer2013"
ADAPTER_VERSION = 1

_FOLDERS = ("", "fer2013/", "fer2013/fer2013/", "fer2013.csv/", "fer2013.csv/fer2013/")  # unpacked, or in the archives people have
TABLES = [f"{folder}{name}" for folder in _FOLDERS for name in ("fer2013.csv", "fer2013.csv.gz")]
_KAGGLE = [f"{folder}icml_face_data.csv{suffix}" for folder in ("", "fer2013/", "icml_face_data.csv/") for suffix in ("", ".gz")]
SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}

_COLUMNS = ("emotion", "pixels", "Usage")
_HEADER = ",".join(_COLUMNS)
_IDS = frozenset(str(index) for index in range(N_CLASSES))
_SIDE = 48


class Row(NamedTuple):
    """One row of the table; `number` counts from 0 over the whole table, `pixels` is still text."""

    number: int
    label: int
    pixels: str
    usage: str
    line: Line

    @property
    def key(self) -> str:
        """What follows `<source>/` in the sample_id; the same picture has the same key in FER2013 and FERPlus."""
        return f"{self.usage}-{self.number:07d}"


def recognise(tree: RawTree) -> bool:
    """True where the table lies in the folder."""
    return any(tree.is_file(name) for name in [*TABLES, *_KAGGLE])


def files(tree: RawTree) -> list[str]:
    """The table."""
    return [find_file(tree, [*TABLES, *_KAGGLE], "FER2013 table")]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Rows per split and class; reads labels only."""
    table = files(tree)[0]
    announced: Announced = {}
    for row in read_rows(tree, table):
        tally(announced, SPLIT_OF_USAGE[row.usage], CLASSES[row.label])
    check_official_counts(LAYOUT, announced, tree.where(table))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face a row, in the order of the table."""
    table = files(tree)[0]
    file = tree.where(table)

    def face(row: Row) -> Face:
        key = f"{source}/{row.key}"
        return Face(key, encode(row, file), row.label, SPLIT_OF_USAGE[row.usage], row.usage, key)

    return ordered_map(face, read_rows(tree, table), chunk=64)


def read_rows(tree: RawTree, table: str) -> Iterator[Row]:
    """Rows of the table with label and usage checked; its columns may stand in any order.

    Raises:
        DataError: wrong header, number of columns, emotion or Usage; names the line. Also where there is no row.
    """
    file = tree.where(table)
    lines = read_lines(tree, table)
    header = next(lines)
    names = [name.strip() for name in header.text.split(",")]
    if sorted(names) != sorted(_COLUMNS):
        raise line_error("The table has another header.", file, header, expected=f"{_HEADER}, in any order")
    places = [names.index(name) for name in _COLUMNS]
    number = -1
    for number, line in enumerate(lines):
        columns = line.text.split(",")
        if len(columns) != 3:
            raise line_error("A row has the wrong number of columns.", file, line, expected=f"3 columns: {','.join(names)}")
        emotion, pixels, usage = (columns[place] for place in places)
        if emotion not in _IDS:
            raise line_error("Unknown emotion id.", file, line, expected="0 to 6")
        if usage not in SPLIT_OF_USAGE:
            raise line_error(f"Unknown Usage {usage!r}.", file, line, expected=", ".join(SPLIT_OF_USAGE))
        yield Row(number, int(emotion), pixels, usage, line)
    if number < 0:
        raise DataError("The table has no rows.", where=file, remedy="fetch it again")


def encode(row: Row, file: Path) -> bytes:
    """The row's picture as PNG.

    Raises:
        DataError: not 2,304 whole numbers from 0 to 255.
    """
    values = _numbers(row.pixels)
    if values is None or values.size != _SIDE * _SIDE or values.max() > 255:
        raise line_error("The pixels of a row are no picture.", file, row.line, expected="2304 numbers from 0 to 255, separated by spaces")
    done, png = cv2.imencode(".png", values.astype(np.uint8).reshape(_SIDE, _SIDE))
    if not done:
        raise DataError("A picture cannot be encoded as PNG.", where=f"{file}, line {row.line.number}")
    return png.tobytes()


def _numbers(text: str) -> np.ndarray | None:
    """Numbers of one to three digits with one space between them, int16 [n]; None for anything else.

    All at once on the character codes: three times as fast as numpy's own parser, which also reads "1e3" and "-1".
    """
    codes = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int16)
    blank = codes == ord(" ")
    if not (blank | ((codes >= ord("0")) & (codes <= ord("9")))).all():
        return None
    spaces = np.flatnonzero(blank)
    ends = np.append(spaces, codes.size)
    lengths = ends - np.concatenate([[0], spaces + 1])
    if lengths.min() < 1 or lengths.max() > 3 or codes.size < 3:  # the sum below looks three places back
        return None
    digits = codes - ord("0")
    return digits[ends - 1] + 10 * digits[ends - 2] * (lengths > 1) + 100 * digits[ends - 3] * (lengths > 2)
