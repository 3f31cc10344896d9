"""Label lists: lines with their numbers, and errors that say where the fault stands."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from fer_core.errors import DataError

__all__ = ["Line", "find_file", "line_error", "open_table", "read_lines", "relative_path"]

_LONGEST_LINE = 65536


class Line(NamedTuple):
    """One line of a label file, without its end; `number` counts from 1 as editors do."""

    number: int
    text: str


def line_error(problem: str, file: Path, line: Line, *, expected: object = None, remedy: str | None = None) -> DataError:
    """The error for a faulty line: names file, line number and the offending text (its beginning, if long)."""
    text = line.text if len(line.text) <= 120 else f"{line.text[:117]}..."
    remedy = remedy or "mend the line, or fetch the label file again"
    return DataError(problem, where=f"{file}, line {line.number}", found=repr(text), expected=expected, remedy=remedy)


def find_file(root: Path, names: list[str], what: str) -> Path:
    """The first of `names` (relative paths) that exists under `root`.

    Raises:
        DataError: none does.
    """
    for name in names:
        if (file := root / name).is_file():
            return file
    raise DataError(
        f"The {what} is missing.",
        where=root,
        expected=" or ".join(names),
        remedy="give the folder that holds it: `fer data add NAME PATH`",
    )


@contextmanager
def open_table(file: Path) -> Iterator[IO[bytes]]:
    """Open a label file for reading bytes: plain, `.gz`, or `.zip` with one member of the archive's name (never extracted).

    Raises:
        DataError: the archive is damaged or lacks the member, also when that shows only while reading.
    """
    try:
        if file.suffix == ".gz":
            with gzip.open(file) as stream:
                yield io.BufferedReader(stream, 1 << 20)
        elif file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive, archive.open(_member(archive, file)) as member:
                yield member
        else:
            with file.open("rb") as plain:
                yield plain
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError("A compressed label file is damaged.", where=file, found=error, remedy="fetch the file again") from error


def _member(archive: zipfile.ZipFile, file: Path) -> str:
    wanted = re.sub(r"(\.csv)?\.zip$", ".csv", file.name)
    for name in archive.namelist():
        if name.rsplit("/", 1)[-1] == wanted:
            return name
    raise DataError("The archive lacks the label file.", where=file, found=", ".join(archive.namelist()[:8]), expected=wanted)


def read_lines(file: Path) -> Iterator[Line]:
    """Lines of a UTF-8 label file, blank ones left out.

    Raises:
        DataError: a line is not UTF-8 or absurdly long, or the file is a damaged archive.
    """
    with open_table(file) as stream:
        number = 0
        while raw := stream.readline(_LONGEST_LINE):
            number += 1
            if len(raw) == _LONGEST_LINE:
                raise DataError("A line is too long.", where=f"{file}, line {number}", expected=f"less than {_LONGEST_LINE} bytes")
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError("A line is not text.", where=f"{file}, line {number}", found=error, expected="UTF-8") from error
            if text.strip():
                yield Line(number, text)


def relative_path(text: str, file: Path, line: Line) -> str:
    """Check a path that a label file names: it must stay inside the data set.

    Raises:
        DataError: absolute, with a drive letter, backslashes or `..`, or empty.
    """
    parts = text.split("/")
    if not text or text.startswith("/") or "\\" in text or re.match(r"[A-Za-z]:", text) or ".." in parts or "\0" in text:
        raise line_error("A label file names a path outside its data set.", file, line, expected="a relative path without '..'")
    return text
