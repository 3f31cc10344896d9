"""The table of FER2013, `fer2013.csv` with `emotion,pixels,Usage`: 48 x 48 grey values a row, as
text.

FERPlus labels the same rows. Emotion ids are the canonical class order. Copies quote the pixels or
end lines with blanks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import N_CLASSES
from fer_core.pixels.opencv import cv2
from fer_core.sources.files.label_files import read_lines
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader

__all__ = ["TABLES", "TableEntry", "TableReader", "encode", "read_rows"]

_FOLDERS = (
    "",
    "fer2013/",
    "fer2013/fer2013/",
    "fer2013.csv/",
    "fer2013.csv/fer2013/",
)  # unpacked, or in the archives people have
TABLES = [f"{folder}{name}" for folder in _FOLDERS for name in ("fer2013.csv", "fer2013.csv.gz")]
_SPLIT_OF_USAGE = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}

_COLUMNS = ("emotion", "pixels", "Usage")
_IDS = {str(index): index for index in range(N_CLASSES)}
_SIDE = 48
_BLANK = ' \t"'  # around a column


@dataclass(frozen=True, kw_only=True)
class TableEntry(Entry):
    """One row of the table; `pixels` is still text."""

    pixels: str


class TableReader(Reader):
    """Reads pictures that are rows of the table."""

    chunk = 64

    def picture(self, tree: RawTree, entry: TableEntry) -> bytes:
        """The row's picture as PNG.

        Raises:
            DataError: not 2,304 whole numbers from 0 to 255.
        """
        return encode(entry)


def read_rows(tree: RawTree, table: str) -> Iterator[TableEntry]:
    """Rows of the table with label and usage checked; its columns may be in any order.

    The key has the row's number, from 0 over the whole table, so that the same picture has the same
    key in FER2013 and FERPlus.

    Raises:
        DataError: wrong header, number of columns, emotion or Usage; names the line. Also where
            there is no row.
    """
    lines = read_lines(tree, table)
    header = next(lines)
    names = [name.strip(_BLANK) for name in header.text.split(",")]
    if sorted(names) != sorted(_COLUMNS):
        raise header.error("The table has another header.", f"{','.join(_COLUMNS)}, in any order")
    places = [names.index(name) for name in _COLUMNS]
    number = -1
    for number, line in enumerate(lines):
        columns = line.text.split(",")
        if len(columns) != 3:
            raise line.error(
                "A row has the wrong number of columns.", f"3 columns: {','.join(names)}"
            )
        emotion, pixels, usage = (columns[place].strip(_BLANK) for place in places)
        split = line.look_up(usage, _SPLIT_OF_USAGE, "Usage", ", ".join(_SPLIT_OF_USAGE))
        yield TableEntry(
            key=f"{usage}-{number:07d}",
            split=split,
            usage=usage,
            label=line.look_up(emotion, _IDS, "emotion id", "0 to 6"),
            line=line,
            pixels=pixels,
        )
    if number < 0:
        raise DataError("The table has no rows.", where=header.file, remedy="fetch it again")


def encode(row: TableEntry) -> bytes:
    """The row's picture as PNG.

    Raises:
        DataError: not 2,304 whole numbers from 0 to 255.
    """
    assert row.line is not None
    values = _numbers(row.pixels)
    if values is None or values.size != _SIDE * _SIDE or values.max() > 255:
        raise row.line.error(
            "The pixels of a row are no picture.",
            "2304 numbers from 0 to 255, separated by spaces",
        )
    done, png = cv2.imencode(".png", values.astype(np.uint8).reshape(_SIDE, _SIDE))
    if not done:
        raise row.line.error("A picture cannot be encoded as PNG.")
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
