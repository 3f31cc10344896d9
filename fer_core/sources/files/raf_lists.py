"""What the RAF data sets have in common: the list whose names tell the split, and the places of the
pictures.

RAF-DB's basic and compound sets come as two folders with lists of one name; only the ids tell them
apart.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import (
    Line,
    find_file,
    line_error,
    read_lines,
    relative_path,
)
from fer_core.sources.files.tree import RawTree

__all__ = [
    "Entry",
    "identifiers",
    "images_beside",
    "list_and_images",
    "list_places",
    "locate",
    "note_on",
    "read_list",
]

_NAMES = (
    "list_patition_label.txt",
    "list_partition_label.txt",
)  # the first is the official spelling
_FOLDERS = ("aligned/aligned", "aligned", "original/original", "original")  # in order of preference


class Entry(NamedTuple):
    """One line of a list; `split` is the prefix of the name, train or test."""

    name: str
    identifier: int
    split: str
    line: Line


def list_places(folder: str) -> list[str]:
    """Where a list may be: in the data set itself or in the folder that it is delivered in."""
    return [f"{top}EmoLabel/{name}" for top in ("", f"{folder}/") for name in _NAMES]


def images_beside(labels: str) -> str:
    """The folder of the pictures, beside that of the list."""
    return labels.rpartition("EmoLabel/")[0] + "Image"


def list_and_images(tree: RawTree, places: list[str]) -> list[str]:
    """The first of `places` that is a file, and the pictures.

    Raises:
        DataError: no list.
    """
    labels = find_file(tree, places, "RAF-DB label list")
    return [labels, *[folder for folder in [images_beside(labels)] if tree.is_dir(folder)]]


def identifiers(tree: RawTree, labels: str) -> set[int]:
    """All ids of a list. Faulty lines are passed over: `read_list` says what is wrong with them."""
    lines = (line.text.split() for line in read_lines(tree, labels))
    return {
        int(columns[1])
        for columns in lines
        if len(columns) == 2 and re.fullmatch("[0-9]{1,3}", columns[1])
    }


def read_list(tree: RawTree, labels: str, highest: int, other: str) -> list[Entry]:
    """The list with names, ids and prefixes checked.

    Args:
        highest: ids go from 1 to this.
        other: what to do where an id is none of these.

    Raises:
        DataError: wrong number of columns, unknown id or prefix, a path that leaves the data set, a
            name listed twice.
    """
    file = tree.where(labels)
    known = {str(identifier): identifier for identifier in range(1, highest + 1)}
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for line in read_lines(tree, labels):
        columns = line.text.split()
        if len(columns) != 2:
            raise line_error(
                "A line has the wrong number of columns.",
                file,
                line,
                expected="2: file name and emotion id",
            )
        name, identifier = relative_path(columns[0], file, line), columns[1]
        if identifier not in known:
            raise line_error(
                f"Unknown emotion id {identifier!r}.",
                file,
                line,
                expected=f"1 to {highest}",
                remedy=other,
            )
        prefix = PurePosixPath(name).name.split("_")[0]
        if prefix not in ("train", "test"):
            raise line_error(
                "A file name does not say its split.",
                file,
                line,
                expected="a name that begins with train_ or test_",
            )
        if name in seen:
            raise line_error(
                f"A file is listed twice, first in line {seen[name]}.",
                file,
                line,
                expected="one line for each file",
            )
        seen[name] = line.number
        entries.append(Entry(name, known[identifier], prefix, line))
    return entries


def locate(tree: RawTree, labels: str, listed: Mapping[str, Line]) -> dict[str, str]:
    """Path of each listed face, the aligned one where there is one.

    Args:
        labels: the list; the pictures are in `Image` beside its folder.
        listed: file name -> its line in the list.

    Raises:
        DataError: some are missing; names the first and says how many.
    """
    images = images_beside(labels)
    paths: dict[str, str] = {}
    missing: list[str] = []
    for name in listed:
        plain = PurePosixPath(name)
        suffixed = f"{plain.stem}_aligned{plain.suffix}"
        # the suffixed name is tried in both aligned folders before the plain one
        places = [(folder, file) for file in (suffixed, plain.name) for folder in _FOLDERS[:2]]
        places += [(folder, plain.name) for folder in _FOLDERS[2:]]
        found = next(
            (path for folder, file in places if tree.is_file(path := f"{images}/{folder}/{file}")),
            None,
        )
        if found is None:
            missing.append(name)
        else:
            paths[name] = found
    if missing:
        raise DataError(
            f"{len(missing)} of {len(listed)} listed images are missing.",
            where=f"{tree.where(labels)}, line {listed[missing[0]].number}",
            found=f"no file for {missing[0]!r}",
            expected=f"{PurePosixPath(missing[0]).stem}_aligned.jpg in {images}/aligned, or the "
            f"original in {images}/original",
            remedy="unpack the image archive completely",
        )
    return paths


def note_on(path: str) -> str:
    """The note of a face that was read from this path."""
    *folders, name = path.split("/")
    aligned = "aligned" in folders or PurePosixPath(name).stem.endswith("_aligned")
    return "" if aligned else "original picture instead of the aligned face"
