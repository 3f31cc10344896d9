"""What FER2013 and FERPlus share: the table `fer2013.csv` with `emotion,pixels,Usage`, 48 x 48 grey
values a row as text; and ten annotators' votes, with the label that they give by the rules of
FERPlus's authors.

Emotion ids are the canonical class order. Copies quote the pixels or end lines with blanks.
Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label
distribution", 2016.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, N_CLASSES, class_index
from fer_core.pixels.opencv import cv2
from fer_core.sources.files.label_files import Line, read_lines
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, FaceOrExclusion, Reader

__all__ = [
    "NO_NAME",
    "TABLES",
    "WORDS",
    "TableEntry",
    "TableReader",
    "decide",
    "encode",
    "read_rows",
]

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
WORDS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""Columns of votes, in the order of the authors' tables; NF is no face."""

_N_EMOTIONS = 8  # the last two columns are no emotions
_LABEL_OF_WORD = [class_index(word) for word in WORDS]
_CANONICAL = [_LABEL_OF_WORD.index(index) for index in range(len(CLASSES))]

Mode = Literal["majority", "probability", "multi_target"]

NO_NAME = FaceOrExclusion(-1, "no face", "FERPlus: no image name")
"""Of a row that names no picture."""


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

    def cost(self, tree: RawTree, entry: TableEntry) -> int:
        """Bytes of the row's text."""
        return len(entry.pixels)


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


def decide(columns: list[str], mode: Mode, line: Line) -> FaceOrExclusion:
    """Label and votes of one face by the authors' rules.

    Single votes count as slips and are dropped. *majority*: the leading column needs more than half
    of what is left. *probability*: columns are taken in order of votes (equal ones together) until
    they hold three quarters, three are taken or unknown or NF is reached, which ends it and counts
    only if it leads; refused if they hold no more than half or are more than three; the leading one
    is the label. *multi_target*: every column with at least 30 % is a target; refused if they hold
    no more than half; the leading one is the label, and the targets among the seven classes count
    alike. Equal leaders: the first in the order of the table.

    Args:
        columns: texts of ten votes, in the order of the table's columns.
        mode: see above.
        line: that they are in.

    Returns:
        `votes` for the seven classes in canonical order: as cast with *majority*, only those taken
        with *probability*, 1 for a target and 0 for the rest with *multi_target*.

    Raises:
        DataError: a vote is no whole number of up to three digits.
    """
    if not all(text.isascii() and text.isdigit() and len(text) <= 3 for text in columns):
        raise line.error("A vote is not a whole number.", "10 counts of up to 3 digits")
    counts = np.array([int(text) for text in columns])
    left = np.where(counts > 1, counts, 0)
    total = int(left.sum())
    kept = _RULES[mode](left, total)
    if 2 * int(kept.sum()) <= total or np.count_nonzero(kept) > 3:
        return FaceOrExclusion(-1, "unknown", "FERPlus: no majority")
    winner = int(kept.argmax())
    label = _LABEL_OF_WORD[winner]
    if label is None:
        word = "no face" if WORDS[winner] == "NF" else WORDS[winner]
        return FaceOrExclusion(-1, word, f"FERPlus: the votes say {word}")
    votes = {"majority": counts, "probability": kept, "multi_target": kept > 0}[mode]
    return FaceOrExclusion(
        label, CLASSES[label], "", tuple(float(votes[column]) for column in _CANONICAL)
    )


def _leading(left: np.ndarray, total: int) -> np.ndarray:
    kept = np.zeros_like(left)
    kept[left.argmax()] = left.max()
    return kept


def _taken(left: np.ndarray, total: int) -> np.ndarray:
    left, kept = left.copy(), np.zeros_like(left)
    while 4 * int(kept.sum()) < 3 * total and np.count_nonzero(kept) < 3:
        most = left.max()
        for column in np.flatnonzero(left == most):
            if column >= _N_EMOTIONS and kept.any():
                return kept
            kept[column], left[column] = most, 0
            if column >= _N_EMOTIONS:
                return kept
    return kept


def _targets(left: np.ndarray, total: int) -> np.ndarray:
    return np.where(10 * left >= 3 * total, left, 0)


_RULES: dict[Mode, Callable[[np.ndarray, int], np.ndarray]] = {
    "majority": _leading,
    "probability": _taken,
    "multi_target": _targets,
}
