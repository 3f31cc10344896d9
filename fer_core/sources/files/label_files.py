"""Label lists: lines with their numbers, and errors that say where the fault is."""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from fer_core.base.errors import DataError
from fer_core.sources.files.archives import DAMAGE
from fer_core.sources.files.tree import RawTree

__all__ = ["Line", "Listed", "find_file", "open_table", "read_lines", "read_table", "read_whole"]

Known = TypeVar("Known")

_LONGEST_LINE = 65536
_LONGEST_PATH, _LONGEST_NAME = 1024, 255


class Line(NamedTuple):
    """One line of a label file, without its end.

    Attributes:
        file: where it is, for error texts.
        number: counts from 1 as editors do.
        text: what it says.
    """

    file: Path
    number: int
    text: str

    def error(
        self,
        problem: str,
        expected: object = None,
        remedy: str = "correct the line, or fetch the label file again",
    ) -> DataError:
        """The error for a faulty line: names file, line number and the beginning of the text."""
        where, found = f"{self.file}, line {self.number}", repr(_short(self.text))
        return DataError(
            _short(problem), where=where, found=found, expected=expected, remedy=remedy
        )

    def words(self, count: int, meaning: str) -> list[str]:
        """The columns of a line whose columns are divided by blanks.

        Raises:
            DataError: there are not `count` columns.
        """
        return self._counted(self.text.split(), count, meaning)

    def cells(self, count: int, meaning: str, delimiter: str = ",") -> list[str]:
        """The columns of a CSV line, without blanks around them.

        Raises:
            DataError: not CSV, or there are not `count` columns.
        """
        try:
            cells = next(csv.reader([self.text], strict=True, delimiter=delimiter))
        except csv.Error as error:
            raise self.error(f"A line is not CSV: {error}.", meaning) from error
        return self._counted([cell.strip() for cell in cells], count, meaning)

    def _counted(self, columns: list[str], count: int, meaning: str) -> list[str]:
        if len(columns) != count:
            raise self.error("A line has the wrong number of columns.", f"{count}: {meaning}")
        return columns

    def look_up(self, text: str, known: Mapping[str, Known], what: str, expected: str) -> Known:
        """What an id or word of this line means.

        Raises:
            DataError: it is not known.
        """
        if text not in known:
            raise self.error(f"Unknown {what} {text!r}.", expected)
        return known[text]

    def path(self, text: str) -> str:
        """Check a path that this line names: it must stay inside the data set.

        Raises:
            DataError: absolute, with a drive letter, backslashes or `..`, empty, or too long for
                any file system.
        """
        if len(text) > _LONGEST_PATH or any(
            len(name.encode()) > _LONGEST_NAME for name in text.split("/")
        ):
            expected = f"at most {_LONGEST_PATH} characters, {_LONGEST_NAME} bytes a name"
            raise self.error("A label file names a path that is too long.", expected)
        if (
            not text
            or text.startswith("/")
            or "\\" in text
            or re.match(r"[A-Za-z]:", text)
            or ".." in text.split("/")
            or "\0" in text
        ):
            problem = "A label file names a path outside its data set."
            raise self.error(problem, "a relative path without '..'")
        return text


class Listed:
    """The lines that list something, by what they list.

    Attributes:
        lines: line of each key.
    """

    def __init__(self, what: str) -> None:
        self.lines: dict[object, Line] = {}
        self._what = what

    def add(self, key: object, line: Line) -> None:
        """Note a line.

        Raises:
            DataError: the key is listed already; names the line where.
        """
        if key in self.lines:
            first = self.lines[key]
            file = "" if first.file == line.file else f"{first.file.name}, "
            problem = f"{self._what} is listed twice, first in {file}line {first.number}."
            raise line.error(problem, "one line for each")
        self.lines[key] = line


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def find_file(tree: RawTree, names: Iterable[str], what: str) -> str:
    """The first of `names` that is a file of the data set; the one that the user gave, if it is
    among them.

    Raises:
        DataError: none is.
    """
    names = list(names)
    if tree.table in names:
        return tree.table
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


def read_whole(tree: RawTree, name: str, most: int) -> bytes:
    """The bytes of a small label file.

    Raises:
        DataError: it is missing, damaged, or has more than `most` bytes.
    """
    with open_table(tree, name) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise DataError(
            "A label file is too large.",
            where=tree.where(name),
            found=f"more than {most} bytes",
            expected=f"at most {most} bytes",
            remedy="fetch the file again",
        )
    return data


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
                expected = f"less than {_LONGEST_LINE} bytes"
                raise DataError(
                    "A line is too long.", where=f"{file}, line {number}", expected=expected
                )
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if "\0" in text:
                    raise ValueError("a NUL byte")
            except ValueError as error:
                raise DataError(
                    "A line is not text.",
                    where=f"{file}, line {number}",
                    found=error,
                    expected="UTF-8",
                ) from error
            if text.strip():
                full += 1
                yield Line(file, number, text)
        if not full:
            raise DataError("A label file is empty.", where=file, remedy="fetch it again")


_DELIMITERS = ",;"
"""Spreadsheets of countries whose decimal sign is the comma write semicolons."""


def read_table(
    tree: RawTree, name: str, header: Sequence[str], optional: bool = False
) -> Iterator[tuple[Line, list[str]]]:
    """Lines of a CSV table and their columns, divided by commas or semicolons, without the header
    line.

    Args:
        header: names of the columns.
        optional: the first line may also be an entry.

    Raises:
        DataError: as `read_lines`; no CSV, another header or a wrong number of columns.
    """
    meaning, delimiter = ",".join(header), ","
    for index, line in enumerate(read_lines(tree, name)):
        if index or (optional and not line.text.startswith(header[0])):
            yield line, line.cells(len(header), meaning, delimiter)
            continue
        for delimiter in _DELIMITERS:
            if [column.strip() for column in line.text.split(delimiter)] == list(header):
                break
        else:
            raise line.error("The table has another header.", meaning)
