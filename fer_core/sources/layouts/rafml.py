"""RAF-ML: `EmoLabel/distribution.txt` with six shares for each picture,
`EmoLabel/partition_label.txt` with its split.

Li and Deng, "Blended emotion in-the-wild: multi-label facial expression recognition using
crowdsourced annotations and deep locality feature learning", 2019. The label is the largest share,
the first of equals; all shares are kept as votes. There is no Neutral. In the partition 1 means
test. Pictures lie as in RAF-DB.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from fer_core.base.labels import CLASSES, INDEX
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import (
    Line,
    find_file,
    line_error,
    read_lines,
    relative_path,
)
from fer_core.sources.files.raf_lists import images_beside, locate, note_on
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "EMOTIONS", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "rafml"
ADAPTER_VERSION = 1

EMOTIONS = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry")
"""Order of the shares in a line."""

_PLACES = [f"{top}EmoLabel/distribution.txt" for top in ("", "RAF-ML/")]
_PARTITION = "partition_label.txt"
_TEST = "1"
_TOLERANCE = 0.02  # of the sum of the shares: they are rounded


class _Entry(NamedTuple):
    name: str
    label: int
    votes: tuple[float, ...]  # canonical order
    flag: str
    line: Line

    @property
    def split(self) -> str:
        return "test" if self.flag == _TEST else "train"


def recognise(tree: RawTree) -> bool:
    """True where the shares lie in the folder."""
    return any(tree.is_file(name) for name in _PLACES)


def files(tree: RawTree) -> list[str]:
    """Shares, partition and the pictures."""
    shares = find_file(tree, _PLACES, "RAF-ML distribution list")
    partition = find_file(
        tree, [f"{shares.rpartition('/')[0]}/{_PARTITION}"], "RAF-ML partition list"
    )
    return [
        shares,
        partition,
        *[folder for folder in [images_beside(shares)] if tree.is_dir(folder)],
    ]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per split and class of the largest share."""
    announced: Announced = {}
    shares, partition = files(tree)[:2]
    for entry in _entries(tree, shares, partition):
        tally(announced, entry.split, CLASSES[entry.label])
    check_official_counts(LAYOUT, announced, tree.where(partition))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face a line of the shares, in their order; the bytes are the original file's."""
    shares, partition = files(tree)[:2]
    entries = _entries(tree, shares, partition)
    paths = locate(tree, shares, {entry.name: entry.line for entry in entries})

    def face(entry: _Entry) -> Face:
        key, path = f"{source}/{entry.name}", paths[entry.name]
        return Face(
            key,
            tree.read(path),
            entry.label,
            entry.split,
            entry.flag,
            key,
            votes=entry.votes,
            note=note_on(path),
        )

    return ordered_map(face, entries, chunk=16)


def _entries(tree: RawTree, shares: str, partition: str) -> list[_Entry]:
    """Both lists joined by file name.

    Raises:
        DataError: a faulty line, or a file in one list and not in the other.
    """
    listed = _by_name(
        tree, shares, 1 + len(EMOTIONS), f"file name and six shares: {', '.join(EMOTIONS)}"
    )
    flags = _flags(tree, partition)
    file = tree.where(shares)
    entries: list[_Entry] = []
    for name, (line, columns) in listed.items():
        if name not in flags:
            raise line_error(
                f"A file is not in {_PARTITION}.",
                file,
                line,
                expected="each file once in both lists",
            )
        numbers = _shares(columns, line, tree, shares)
        votes = dict(zip(EMOTIONS, numbers, strict=True))
        label = INDEX[EMOTIONS[numbers.index(max(numbers))]]
        entries.append(
            _Entry(
                name, label, tuple(votes.get(word, 0.0) for word in CLASSES), flags[name][1], line
            )
        )
    for name, (line, _) in flags.items():
        if name not in listed:
            problem = "A file is not in distribution.txt."
            raise line_error(
                problem, tree.where(partition), line, expected="each file once in both lists"
            )
    return entries


def _by_name(
    tree: RawTree, labels: str, width: int, meaning: str
) -> dict[str, tuple[Line, list[str]]]:
    """Line and further columns of each file of a list.

    Raises:
        DataError: wrong number of columns, a path that leaves the data set, a name listed twice.
    """
    file = tree.where(labels)
    listed: dict[str, tuple[Line, list[str]]] = {}
    for line in read_lines(tree, labels):
        columns = line.text.split()
        if len(columns) != width:
            raise line_error(
                "A line has the wrong number of columns.",
                file,
                line,
                expected=f"{width}: {meaning}",
            )
        name = relative_path(columns[0], file, line)
        if name in listed:
            first = listed[name][0].number
            raise line_error(
                f"A file is listed twice, first in line {first}.",
                file,
                line,
                expected="one line for each file",
            )
        listed[name] = (line, columns[1:])
    return listed


def _flags(tree: RawTree, partition: str) -> dict[str, tuple[Line, str]]:
    """Line and flag of each file of the partition.

    Raises:
        DataError: as `_by_name`; a flag that is no whole number, or a third kind of flag, whose
            meaning nobody has told.
    """
    flags: dict[str, tuple[Line, str]] = {}
    kinds = {_TEST}
    for name, (line, (flag,)) in _by_name(tree, partition, 2, "file name and partition").items():
        if not (flag.isascii() and flag.isdigit()):
            raise line_error(
                f"Unknown partition {flag!r}.",
                tree.where(partition),
                line,
                expected="1 for test, another number for train",
            )
        kinds.add(flag)
        if len(kinds) > 2:
            expected = f"two kinds, {' and '.join(sorted(kinds - {flag}))}, as in the lines above"
            raise line_error(
                f"Unknown partition {flag!r}.", tree.where(partition), line, expected=expected
            )
        flags[name] = (line, flag)
    return flags


def _shares(columns: list[str], line: Line, tree: RawTree, shares: str) -> list[float]:
    """The six numbers of a line.

    Raises:
        DataError: no numbers, or not finite, below 0 or with another sum than 1.
    """
    file = tree.where(shares)
    try:
        numbers = [float(text) for text in columns]
    except ValueError as error:
        raise line_error(
            "A share is not a number.", file, line, expected="six numbers that add up to 1"
        ) from error
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise line_error(
            "A share is out of range.", file, line, expected="finite numbers of 0 or more"
        )
    total = sum(numbers)
    if abs(total - 1) > _TOLERANCE + 1e-9:
        raise line_error(
            f"The shares add up to {total:g}.", file, line, expected=f"1, give or take {_TOLERANCE}"
        )
    return numbers
