"""FERPlus as its authors' program writes it: `FER2013{Train,Valid,Test}/` with pictures and
`label.csv`, ten votes a picture.

Lines of `label.csv` are `fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0`: name, box (the whole
picture) and the votes in the order of `ferplus_votes.WORDS`; there is no header. The splits are
those of the folders, Valid is "val". Rows of FERPlus that name no picture are not in these lists.
"""

import csv
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fer_core.base.errors import DataError
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.ferplus_votes import WORDS, Mode, Vote, are_counts, decide
from fer_core.sources.files.label_files import (
    Line,
    find_file,
    line_error,
    read_lines,
    relative_path,
)
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "ferplus_pictures"
ADAPTER_VERSION = 1

_SPLITS = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
_TOPS = ("", "data/", "FERPlus/data/", "FERPlus-master/data/")
_LIST = "label.csv"
_COLUMNS = f"name,box,{','.join(WORDS)}"


class _Entry(NamedTuple):
    folder: str
    name: str
    vote: Vote
    line: Line

    @property
    def usage(self) -> str:
        return self.folder.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The same wherever the folders lie: it is part of the sample_id."""
        return f"{self.usage}/{self.name}"


def recognise(tree: RawTree) -> bool:
    """True where a list lies in one of the folders."""
    return any(tree.is_file(f"{top}{usage}/{_LIST}") for top in _TOPS for usage in _SPLITS)


def files(tree: RawTree) -> list[str]:
    """The folders that are there.

    Raises:
        DataError: none is, or one has no list.
    """
    top = next((top for top in _TOPS if any(tree.is_dir(top + usage) for usage in _SPLITS)), "")
    found = [top + usage for usage in _SPLITS if tree.is_dir(top + usage)]
    for folder in found or list(_SPLITS):
        find_file(tree, [f"{folder}/{_LIST}"], "FERPlus list of votes")
    return found


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed pictures per split and outcome of the vote."""
    announced: Announced = {}
    for entry in _entries(tree, options.ferplus.mode):
        tally(announced, _SPLITS[entry.usage], entry.vote.word)
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a line, in the order of the lists; the bytes are the original
    file's.
    """
    entries = list(_entries(tree, options.ferplus.mode))
    _check_there(tree, entries)

    def item(entry: _Entry) -> Face | Exclusion:
        key, split, vote, path = (
            f"{source}/{entry.path}",
            _SPLITS[entry.usage],
            entry.vote,
            f"{entry.folder}/{entry.name}",
        )
        if vote.label < 0:
            return Exclusion(
                key, vote.reason, entry.line.text, split, vote.word, lambda: tree.read(path)
            )
        return Face(key, tree.read(path), vote.label, split, entry.usage, key, votes=vote.votes)

    return ordered_map(item, entries, chunk=16)


def _entries(tree: RawTree, mode: Mode) -> Iterator[_Entry]:
    """Lines of all lists with names and votes checked.

    Raises:
        DataError: no CSV, a wrong number of columns, a vote that is none, a path that leaves the
            folder, a picture listed twice.
    """
    for folder in files(tree):
        table = f"{folder}/{_LIST}"
        file = tree.where(table)
        seen: dict[str, int] = {}
        for line in read_lines(tree, table):
            try:
                columns = next(csv.reader([line.text], strict=True))
            except csv.Error as error:
                raise line_error(
                    f"A line is not CSV: {error}.", file, line, expected=_COLUMNS
                ) from error
            name, counts = relative_path(columns[0], file, line), columns[2:]
            if not are_counts(counts):
                raise line_error("A line does not hold ten votes.", file, line, expected=_COLUMNS)
            if name in seen:
                raise line_error(
                    f"A picture is listed twice, first in line {seen[name]}.",
                    file,
                    line,
                    expected="each picture once",
                )
            seen[name] = line.number
            yield _Entry(
                folder, name, decide(np.array([int(count) for count in counts]), mode), line
            )


def _check_there(tree: RawTree, entries: list[_Entry]) -> None:
    """Refuse lists whose pictures were never written.

    Raises:
        DataError: names the first and says how many.
    """
    missing = [entry for entry in entries if not tree.is_file(f"{entry.folder}/{entry.name}")]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(entries)} listed pictures are missing.",
            where=f"{tree.where(f'{missing[0].folder}/{_LIST}')}, line {missing[0].line.number}",
            found=f"no file {missing[0].path!r}",
            expected="each picture beside its list",
            remedy="run the authors' generate_training_data.py; or give the folder of "
            "fer2013new.csv and fer2013.csv instead",
        )
