"""Files that are written whole or not at all, and their hashes."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_core.base.errors import ArtifactError, WriteError
from fer_core.base.processes import alive

__all__ = [
    "harmless_cell",
    "new_file",
    "new_folder",
    "parse_json",
    "read_json",
    "sha256_bytes",
    "sha256_file",
    "write_json",
    "write_text",
]


_OF_THE_DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
}
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
_TEMPORARY, _BEFORE = ".tmp", ".before"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path` in one step,
    else it is removed.

    Raises:
        WriteError: the disk is full or not writable, the path is a folder, or a folder of it is a
            file.
    """
    with _written(path):
        if path.is_dir():
            raise _no_place(path, "a folder")
        temporary = _beside(path)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; when the block ends well it replaces `path`,
    else it is removed.

    The folder before is moved aside and removed last: a process that is killed in between loses
    nothing, for the next one that writes here moves it back.

    Raises:
        WriteError: the disk is full or not writable, or a folder of the path is a file.
    """
    with _written(path):
        temporary = _beside(path)
        before = temporary.with_suffix(_BEFORE)
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                path.replace(before)
            temporary.replace(path)
        finally:
            if before.exists() and not path.exists():
                before.replace(path)
            _remove(before)
            _remove(temporary)


def _beside(path: Path) -> Path:
    """A name beside `path` for what is being written; what processes that were killed have left
    there is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _no_place(path, f"a file where a folder would be: {error.filename}") from error
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        owner, _, kind = left.name.removeprefix(f".{path.name}.").partition(".")
        if not owner.isdecimal() or f".{kind}" not in (_TEMPORARY, _BEFORE):
            continue
        if int(owner) == os.getpid() or not alive(int(owner)):
            if f".{kind}" == _BEFORE and not path.exists():
                left.replace(path)
            _remove(left)
    return path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")


def _no_place(path: Path, found: str) -> WriteError:
    return WriteError(
        "Nothing can be written here.", where=path, found=found, remedy="name another path"
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Context in which an error of the disk becomes one that names the file.

    An OSError of its own class without a number is what numpy raises when an array does not fit on
    the disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK and not (type(error) is OSError and error.errno is None):
            raise
        raise WriteError(
            "A file could not be written; nothing is left of it, and what was there before is "
            "untouched.",
            where=path,
            found=error,
            remedy="free disk space or make the folder writable, then run again",
        ) from error


def harmless_cell(text: str, *, is_path: bool = False) -> str:
    """Text of a CSV cell that no spreadsheet takes for a formula: with an apostrophe before what
    begins with `=`, `+`, `-`, `@`, a tab or a line end; a relative path begins with `./` instead,
    and still means the same file. Numbers are no text.
    """
    if not text.startswith(_FORMULAS):
        return text
    return f"./{text}" if is_path else f"'{text}"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step, with `\\n` line ends on every platform."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON that is the same bytes for the same value: keys in the order given, two spaces, a
    final newline.

    NaN and infinity are refused with ValueError, for other readers reject them.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ArtifactError: the file is missing or is not JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(
            "A file is missing.", where=path, remedy="run `fer run` (or `dvc repro`) to make it"
        ) from error
    except (ValueError, OSError) as error:
        raise ArtifactError(
            "This file is not valid JSON.",
            where=path,
            found=error,
            remedy="delete it and make it again",
        ) from error


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: not JSON, nested too deeply, a number that is too long, NaN or infinity.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("the values are nested too deeply") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes.

    Raises:
        ArtifactError: the file is missing.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ArtifactError(
            "A file is missing.", where=path, remedy="run `fer run` (or `dvc repro`) to make it"
        ) from error
