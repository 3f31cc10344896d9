"""FERPlus: `fer2013new.csv`, ten annotators' votes for the rows of `fer2013.csv`, joined by row
order.

The number in `ferNNNNNNN.png` is not the row number (some rows have no name), so only the order
joins the two tables.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.fer2013_table import SPLIT_OF_USAGE, TABLES, Row, encode, read_rows
from fer_core.sources.files.ferplus_votes import NO_NAME, WORDS, Mode, Vote, are_counts, decide
from fer_core.sources.files.label_files import Line, find_file, line_error, read_lines
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "ferplus"
ADAPTER_VERSION = 1

_FOLDERS = ("", "FERPlus/", "FERPlus-master/")  # the last as the authors' repository unpacks
_TABLES = [
    f"{folder}{name}" for folder in _FOLDERS for name in ("fer2013new.csv", "fer2013new.csv.gz")
]
_HEADER = ",".join(("Usage", "Image name", *WORDS))


class _Pair(NamedTuple):
    row: Row
    vote: Vote
    line: Line


def recognise(tree: RawTree) -> bool:
    """True where both tables lie in the folder."""
    return all(any(tree.is_file(name) for name in names) for names in (TABLES, _TABLES))


def files(tree: RawTree) -> list[str]:
    """The table of votes and that of the pictures."""
    return [
        find_file(tree, _TABLES, "FERPlus table"),
        find_file(tree, TABLES, "FER2013 table that FERPlus labels"),
    ]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Rows per split and outcome of the vote; reads labels only."""
    announced: Announced = {}
    for pair in _pairs(tree, options.ferplus.mode):
        tally(announced, SPLIT_OF_USAGE[pair.row.usage], pair.vote.word)
    check_official_counts(
        f"{LAYOUT}, {options.ferplus.mode}", announced, tree.where(files(tree)[0])
    )
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a row, in the order of the tables."""
    pictures = tree.where(files(tree)[1])

    def item(pair: _Pair) -> Face | Exclusion:
        row, vote = pair.row, pair.vote
        key, split = f"{source}/{row.key}", SPLIT_OF_USAGE[row.usage]
        if vote.label < 0:
            return Exclusion(
                key, vote.reason, pair.line.text, split, vote.word, lambda: encode(row, pictures)
            )
        return Face(key, encode(row, pictures), vote.label, split, row.usage, key, votes=vote.votes)

    return ordered_map(item, _pairs(tree, options.ferplus.mode), chunk=64)


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
    rows, n_rows, n_votes = read_rows(tree, pictures_table), 0, 0
    for row, line in zip_longest(rows, lines):
        n_rows += row is not None
        n_votes += line is not None
        if row is not None and line is not None:
            yield _Pair(row, _vote(line, row, votes_file, pictures_file, mode), line)
    if n_rows != n_votes:
        raise DataError(
            "The FERPlus table has not as many rows as the FER2013 table: they cannot be joined by "
            "order.",
            where=votes_file,
            found=f"{n_votes} rows of votes, {n_rows} rows of pictures in {pictures_file}",
            remedy="put the two official tables side by side, both whole (35,887 rows) or cut at "
            "the same row",
        )


def _vote(line: Line, row: Row, votes_file: Path, pictures_file: Path, mode: Mode) -> Vote:
    columns = line.text.split(",")
    if len(columns) != 2 + len(WORDS):
        raise line_error(
            "A row has the wrong number of columns.",
            votes_file,
            line,
            expected=f"{2 + len(WORDS)} columns: {_HEADER}",
        )
    usage, name, *counts = columns
    if usage != row.usage:
        raise line_error(
            "The two tables disagree about Usage: they are not in the same order.",
            votes_file,
            line,
            expected=f"{row.usage!r}, as in {pictures_file}, line {row.line.number}",
            remedy="fetch both official tables again; neither may be sorted or filtered",
        )
    if not are_counts(counts):
        raise line_error(
            "A vote is not a whole number.",
            votes_file,
            line,
            expected="10 counts of up to 3 digits",
        )
    if not name:
        return NO_NAME
    return decide(np.array([int(count) for count in counts]), mode)
