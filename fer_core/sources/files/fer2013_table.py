"""The table of FER2013, `fer2013.csv` with `emotion,pixels,Usage`: 48 x 48 grey values a row, as
text.

FERPlus labels the same rows. Emotion ids are the canonical class order. Copies quote the pixels or
end lines with blanks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import N_CLASSES
from fer_core.pixels.opencv import cv2
from fer_core.sources.files.label_files import Line, line_error, read_lines
from fer_core.sources.files.tree import RawTree

__all__ = ["SPLIT_OF_USAGE", "TABLES", "Row", "encode", "read_rows"]

_FOLDERS = (
    "",
    "fer2013/",
    "fer2013/fer2013/",
    "fer2013.csv/",
    "fer2013.csv/fer2013/",
)  # unpacked, or in the archives people have
TABLES = [f"{folder}{name}" for folder in _FOLDERS for name in ("fer2013.csv", "fer2013.csv.gz")]
SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}

_COLUMNS = ("emotion", "pixels", "Usage")
_HEADER = ",".join(_COLUMNS)
_IDS = frozenset(str(index) for index in range(N_CLASSES))
_SIDE = 48
_BLANK = ' \t"'  # around a column


class Row(NamedTuple):
    """One row of the table; `number` counts from 0 over the whole table, `pixels` is still text."""

    number: int
    label: int
    pixels: str
    usage: str
    line: Line

    @property
    def key(self) -> str:
        """What follows `<source>/` in the sample_id; the same picture has the same key in FER2013
        and FERPlus.
        """
        return f"{self.usage}-{self.number:07d}"


def read_rows(tree: RawTree, table: str) -> Iterator[Row]:
    """Rows of the table with label and usage checked; its columns may stand in any order.

    Raises:
        DataError: wrong header, number of columns, emotion or Usage; names the line. Also where
            there is no row.
    """
    file = tree.where(table)
    lines = read_lines(tree, table)
    header = next(lines)
    names = [name.strip(_BLANK) for name in header.text.split(",")]
    if sorted(names) != sorted(_COLUMNS):
        raise line_error(
            "The table has another header.", file, header, expected=f"{_HEADER}, in any order"
        )
    places = [names.index(name) for name in _COLUMNS]
    number = -1
    for number, line in enumerate(lines):
        columns = line.text.split(",")
        if len(columns) != 3:
            raise line_error(
                "A row has the wrong number of columns.",
                file,
                line,
                expected=f"3 columns: {','.join(names)}",
            )
        emotion, pixels, usage = (columns[place].strip(_BLANK) for place in places)
        if emotion not in _IDS:
            raise line_error("Unknown emotion id.", file, line, expected="0 to 6")
        if usage not in SPLIT_OF_USAGE:
            raise line_error(
                f"Unknown Usage {usage!r}.", file, line, expected=", ".join(SPLIT_OF_USAGE)
            )
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
        raise line_error(
            "The pixels of a row are no picture.",
            file,
            row.line,
            expected="2304 numbers from 0 to 255, separated by spaces",
        )
    done, png = cv2.imencode(".png", values.astype(np.uint8).reshape(_SIDE, _SIDE))
    if not done:
        raise DataError(
            "A picture cannot be encoded as PNG.", where=f"{file}, line {row.line.number}"
        )
    return png.tobytes()


def _numbers(text: str) -> np.ndarray | None:
    """Numbers of one to three digits with one space between them, int16 [n]; None for anything
    else.

    All at once on the character codes: three times as fast as numpy's own parser, which also reads
    "1e3" and "-1".
    """
    codes = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int16)
    blank = codes == ord(" ")
    if not (blank | ((codes >= ord("0")) & (codes <= ord("9")))).all():
        return None
    spaces = np.flatnonzero(blank)
    ends = np.append(spaces, codes.size)
    lengths = ends - np.concatenate([[0], spaces + 1])
    if (
        lengths.min() < 1 or lengths.max() > 3 or codes.size < 3
    ):  # the sum below looks three places back
        return None
    digits = codes - ord("0")
    return (
        digits[ends - 1]
        + 10 * digits[ends - 2] * (lengths > 1)
        + 100 * digits[ends - 3] * (lengths > 2)
    )
