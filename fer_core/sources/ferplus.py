"""FERPlus: `fer2013new.csv`, ten annotators' votes for the rows of `fer2013.csv`, joined by row order.

Barsoum et al., "Training deep networks for facial expression recognition with crowd-sourced label distribution", 2016.
The number in `ferNNNNNNN.png` is not the row number (some rows have no name), so only the order joins the two tables.
"""

from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fer_core.errors import DataError
from fer_core.labels import CLASSES, class_index
from fer_core.sources import fer2013
from fer_core.sources.faces import Announced, Exclusion, Face, tally
from fer_core.sources.label_files import Line, find_file, line_error, read_lines
from fer_core.sources.options import CleanOptions
from fer_core.sources.parallel import ordered_map
from fer_core.sources.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "Vote", "announce", "decide", "files", "recognise", "scan"]

LAYOUT = "ferplus"
ADAPTER_VERSION = 1

_TABLES = [f"{folder}{name}" for folder in ("", "FERPlus/") for name in ("fer2013new.csv", "fer2013new.csv.gz")]
_WORDS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
_HEADER = ",".join(("Usage", "Image name", *_WORDS))
_N_EMOTIONS = 8  # the last two columns, unknown and NF (no face), are no emotions
_LABELS = [class_index(word) for word in _WORDS]
_CANONICAL = [_LABELS.index(index) for index in range(len(CLASSES))]

Mode = Literal["majority", "probability", "multi_target"]


class Vote(NamedTuple):
    """What the annotators decided: `label` -1 where it is none of the seven, `word` says what, `reason` why it is left out."""

    label: int
    word: str
    reason: str
    votes: tuple[float, ...]


class _Pair(NamedTuple):
    row: fer2013.Row
    vote: Vote
    line: Line


def recognise(tree: RawTree) -> bool:
    """True where both tables lie in the folder."""
    return all(any(tree.is_file(name) for name in names) for names in (fer2013.TABLES, _TABLES))


def files(tree: RawTree) -> list[str]:
    """The table of votes and that of the pictures."""
    return [find_file(tree, _TABLES, "FERPlus table"), find_file(tree, fer2013.TABLES, "FER2013 table that FERPlus labels")]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Rows per split and outcome of the vote; reads labels only."""
    announced: Announced = {}
    for pair in _pairs(tree, options.ferplus.mode):
        tally(announced, fer2013.SPLIT_OF_USAGE[pair.row.usage], pair.vote.word)
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a row, in the order of the tables."""
    pictures = tree.where(files(tree)[1])

    def item(pair: _Pair) -> Face | Exclusion:
        row, vote = pair.row, pair.vote
        key, split = f"{source}/{row.key}", fer2013.SPLIT_OF_USAGE[row.usage]
        if vote.label < 0:
            return Exclusion(key, vote.reason, pair.line.text, split, vote.word)
        return Face(key, fer2013.encode(row, pictures), vote.label, split, row.usage, key, votes=vote.votes)

    return ordered_map(item, _pairs(tree, options.ferplus.mode), chunk=64)


def decide(counts: np.ndarray, mode: Mode) -> Vote:
    """Label and votes of one face by the authors' rules.

    Single votes count as slips and are dropped. *majority*: the leading column needs more than half of what is left.
    *probability*: columns are taken in order of votes (equal ones together) until they hold three quarters, three are taken or
    unknown or NF is reached, which ends it and counts only if it leads; refused if they hold no more than half or are more than
    three; the leading one is the label. *multi_target*: every column with at least 30 % is a target; refused if they hold no more
    than half; the leading one is the label, and the targets among the seven classes count alike. Equal leaders: the first in the
    order of the table.

    Args:
        counts: int [10], votes in the order of the table's columns.
        mode: see above.

    Returns:
        `votes` for the seven classes in canonical order: as cast with *majority*, only those taken with *probability*, 1 for a
        target and 0 for the rest with *multi_target*.
    """
    left = np.where(counts > 1, counts, 0)
    total = int(left.sum())
    kept = _RULES[mode](left, total)
    if 2 * int(kept.sum()) <= total or np.count_nonzero(kept) > 3:
        return Vote(-1, "unknown", "FERPlus: no majority", ())
    winner = int(kept.argmax())
    label = _LABELS[winner]
    if label is None:
        word = "no face" if _WORDS[winner] == "NF" else _WORDS[winner]
        return Vote(-1, word, f"FERPlus: the votes say {word}", ())
    votes = {"majority": counts, "probability": kept, "multi_target": kept > 0}[mode]
    return Vote(label, CLASSES[label], "", tuple(float(votes[column]) for column in _CANONICAL))


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


_RULES: dict[Mode, Callable[[np.ndarray, int], np.ndarray]] = {"majority": _leading, "probability": _taken, "multi_target": _targets}


def _pairs(tree: RawTree, mode: Mode) -> Iterator[_Pair]:
    """Both tables row by row.

    Raises:
        DataError: the tables have not the same number of rows, or a Usage differs; names both.
    """
    votes_table, pictures_table = files(tree)
    votes_file, pictures_file = tree.where(votes_table), tree.where(pictures_table)
    lines = read_lines(tree, votes_table)
    header = next(lines)
    if header.text != _HEADER:
        raise line_error("The table has another header.", votes_file, header, expected=_HEADER)
    rows, n_rows, n_votes = fer2013.read_rows(tree, pictures_table), 0, 0
    for row, line in zip_longest(rows, lines):
        n_rows += row is not None
        n_votes += line is not None
        if row is not None and line is not None:
            yield _Pair(row, _vote(line, row, votes_file, pictures_file, mode), line)
    if n_rows != n_votes:
        raise DataError(
            "The FERPlus table has not as many rows as the FER2013 table: they cannot be joined by order.",
            where=votes_file,
            found=f"{n_votes} rows of votes, {n_rows} rows of pictures in {pictures_file}",
            remedy="put the two official tables side by side, both whole (35,887 rows) or cut at the same row",
        )


def _vote(line: Line, row: fer2013.Row, votes_file: Path, pictures_file: Path, mode: Mode) -> Vote:
    columns = line.text.split(",")
    if len(columns) != 2 + len(_WORDS):
        raise line_error("A row has the wrong number of columns.", votes_file, line, expected=f"{2 + len(_WORDS)} columns: {_HEADER}")
    usage, name, *counts = columns
    if usage != row.usage:
        raise line_error(
            "The two tables disagree about Usage: they are not in the same order.",
            votes_file,
            line,
            expected=f"{row.usage!r}, as in {pictures_file}, line {row.line.number}",
            remedy="fetch both official tables again; neither may be sorted or filtered",
        )
    if not all(count.isascii() and count.isdigit() and len(count) <= 3 for count in counts):
        raise line_error("A vote is not a whole number.", votes_file, line, expected="10 counts of up to 3 digits")
    if not name:
        return Vote(-1, "no face", "FERPlus: no image name", ())
    return decide(np.array([int(count) for count in counts]), mode)
