"""Label lists: lines with their numbers, and errors that say where the fault stands."""

import gzip
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from fer_core.base.errors import DataError
from fer_core.sources.files.archives import DAMAGE
from fer_core.sources.files.tree import RawTree

__all__ = ["Line", "find_file", "line_error", "open_table", "read_lines", "relative_path"]

_LONGEST_LINE = 65536
_LONGEST_PATH = 1024


class Line(NamedTuple):
    """One line of a label file, without its end; `number` counts from 1 as editors do."""

    number: int
    text: str


def line_error(
    problem: str, file: Path, line: Line, *, expected: object = None, remedy: str | None = None
) -> DataError:
    """The error for a faulty line: names file, line number and the offending text (its beginning,
    if long).
    """
    remedy = remedy or "mend the line, or fetch the label file again"
    return DataError(
        _short(problem),
        where=f"{file}, line {line.number}",
        found=repr(_short(line.text)),
        expected=expected,
        remedy=remedy,
    )


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def find_file(tree: RawTree, names: Iterable[str], what: str) -> str:
    """The first of `names` that is a file of the data set.

    Raises:
        DataError: none is.
    """
    names = list(names)
    for name in names:
        if tree.is_file(name):
            return name
    raise DataError(
        f"The {what} is missing.",
        where=tree.place,
        expected=" or ".join(names),
        remedy="give the folder that holds it: `fer data add NAME PATH`",
    )


@contextmanager
def open_table(tree: RawTree, name: str) -> Iterator[IO[bytes]]:
    """Open a label file for reading bytes, plain or `.gz`.

    Raises:
        DataError: it is missing or damaged, also when that shows only while reading.
    """
    try:
        with tree.open(name) as stream:
            if name.endswith(".gz"):
                with gzip.open(stream) as unpacked:
                    yield io.BufferedReader(unpacked, 1 << 20)
            else:
                yield stream
    except DAMAGE as error:
        where = tree.where(name)
        raise DataError(
            "A label file is damaged or cannot be read.",
            where=where,
            found=error,
            remedy="fetch the file again",
        ) from error


def read_lines(tree: RawTree, name: str) -> Iterator[Line]:
    """Lines of a UTF-8 label file, blank ones left out; line ends of Windows and a byte order mark
    are no part of them.

    Raises:
        DataError: a line is not UTF-8, holds a NUL or is absurdly long, or the file is missing,
            damaged or empty.
    """
    file = tree.where(name)
    with open_table(tree, name) as stream:
        number = full = 0
        while raw := stream.readline(_LONGEST_LINE):
            number += 1
            if len(raw) == _LONGEST_LINE:
                raise DataError(
                    "A line is too long.",
                    where=f"{file}, line {number}",
                    expected=f"less than {_LONGEST_LINE} bytes",
                )
            if b"\0" in raw:
                raise DataError(
                    "A line is not text.",
                    where=f"{file}, line {number}",
                    found="a NUL byte",
                    expected="UTF-8",
                )
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(
                    "A line is not text.",
                    where=f"{file}, line {number}",
                    found=error,
                    expected="UTF-8",
                ) from error
            if text.strip():
                full += 1
                yield Line(number, text)
        if not full:
            raise DataError("A label file is empty.", where=file, remedy="fetch it again")


def relative_path(text: str, file: Path, line: Line) -> str:
    """Check a path that a label file names: it must stay inside the data set.

    Raises:
        DataError: absolute, with a drive letter, backslashes or `..`, empty, or too long for any
            file system.
    """
    if len(text) > _LONGEST_PATH:
        raise line_error(
            "A label file names a path that is too long.",
            file,
            line,
            expected=f"at most {_LONGEST_PATH} characters",
        )
    parts = text.split("/")
    if (
        not text
        or text.startswith("/")
        or "\\" in text
        or re.match(r"[A-Za-z]:", text)
        or ".." in parts
        or "\0" in text
    ):
        raise line_error(
            "A label file names a path outside its data set.",
            file,
            line,
            expected="a relative path without '..'",
        )
    return text
