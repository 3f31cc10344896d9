"""Zip and tar archives read in place: an index of their members, never an extraction.

An archive is untrusted: a member whose name is absolute or leaves the archive, a link, a device or
a name that is there twice refuses the whole archive.
"""

import io
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fer_core.base.errors import DataError
from fer_core.pixels.picture_files import is_litter

__all__ = ["DAMAGE", "ArchiveFolder", "Member", "archive_stem", "open_archive"]

DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)
"""What reading from a damaged archive or `.gz` file may raise."""

_SUFFIXES = (".tar.gz", ".tgz", ".zip", ".tar")
_MOST_COMPRESSED = 64
_DEEPEST = 64
_TOLD = 300  # characters
_DAMAGE = (*DAMAGE, NotImplementedError, RuntimeError, ValueError)


def archive_stem(name: str) -> str | None:
    """The name without its archive suffix, or None for what is no archive that can be read in
    place.
    """
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None


@dataclass(frozen=True)
class Member:
    """One file in an archive."""

    archive: "_Zip | _Tar"
    name: str
    size: int

    def open(self) -> IO[bytes]:
        """A stream of its bytes; safe in several threads at once.

        Raises:
            DataError: the archive is damaged or encrypted.
        """
        try:
            return self.archive.open(self.name)
        except _DAMAGE as error:
            raise _damaged(self.archive.path, f"{self.name}: {error}") from error

    def read(self) -> bytes:
        """All its bytes, and never more than its size says.

        Raises:
            DataError: as `open`, or the checksum is wrong.
        """
        try:
            with self.open() as stream:
                return stream.read(self.size)
        except _DAMAGE as error:
            raise _damaged(self.archive.path, f"{self.name}: {error}") from error


@dataclass
class ArchiveFolder:
    """A folder in an archive: its files and folders by name."""

    children: "dict[str, Member | ArchiveFolder]" = field(default_factory=dict)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = zipfile.ZipFile(path)

    def members(self) -> Iterator[tuple[str, int]]:
        for info in self._file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(self.path, info.filename, "a link or device")
            if not info.is_dir():
                yield info.filename, info.file_size

    def open(self, name: str) -> IO[bytes]:
        return self._file.open(name)


class _Tar:
    """Plain archives are read at the members' offsets; of compressed ones, which have to be read
    from the start, only small ones serve.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plain = path.name.lower().endswith(".tar")
        self._places: dict[str, tuple[int, int]] = {}

    def members(self) -> Iterator[tuple[str, int]]:
        with tarfile.open(self.path, "r:" if self._plain else "r:gz") as archive:
            for info in archive:
                if info.isdir():
                    continue
                if not info.isreg() or info.issparse():
                    raise _unsafe(self.path, info.name, "a link or device")
                self._places[info.name] = (info.offset_data, info.size)
                if not self._plain and len(self._places) > _MOST_COMPRESSED:
                    raise DataError(
                        "A compressed tar archive with many files cannot be read in place.",
                        where=self.path,
                        remedy=f"decompress it (`gzip -d {self.path.name}`): a plain .tar can be "
                        "read in place; or unpack it",
                    )
                yield info.name, info.size

    def open(self, name: str) -> IO[bytes]:
        offset, size = self._places[name]
        if self._plain:
            with self.path.open("rb") as stream:
                return io.BytesIO(os.pread(stream.fileno(), size, offset))
        archive = tarfile.open(self.path, "r:gz")  # noqa: SIM115 - a member reads from it as long as it lives
        member = archive.extractfile(name)
        assert member is not None, name
        return member


def open_archive(path: Path) -> ArchiveFolder:
    """The top folder of an archive.

    Raises:
        DataError: damaged, compressed with too many members, or unsafe: names the member.
    """
    top = ArchiveFolder()
    try:
        archive = _Zip(path) if path.name.lower().endswith(".zip") else _Tar(path)
        for name, size in archive.members():
            parts = _parts(name, path)
            if any(is_litter(part) for part in parts):
                continue
            folder = top
            for part in parts[:-1]:
                inner = folder.children.setdefault(part, ArchiveFolder())
                if isinstance(inner, Member):
                    raise _unsafe(path, name, "below a file")
                folder = inner
            if parts[-1] in folder.children:
                raise _unsafe(path, name, "there twice")
            folder.children[parts[-1]] = Member(archive, name, size)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return top


def _parts(name: str, archive: Path) -> list[str]:
    """Folders and file of a member's name, which must stay inside the archive."""
    if "\\" in name and not re.match(r"[A-Za-z]:", name):
        raise DataError(
            "A member of this archive has backslashes in its name.",
            where=archive,
            found=name,
            expected="folders divided by /, as the zip format wants them",
            remedy="unpack it on the kind of machine it was made on and add the folder; or pack it "
            "again with another program",
        )
    if name.startswith("/") or "\0" in name or re.match(r"[A-Za-z]:", name):
        raise _unsafe(archive, name, "an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise _unsafe(archive, name, "a path that leaves the archive")
    if len(parts) > _DEEPEST:
        raise _unsafe(archive, f"{name[:100]}...", "in too many folders")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise _unsafe(archive, repr(name), "not UTF-8") from error
    return parts


def _unsafe(archive: Path, name: str, what: str) -> DataError:
    return DataError(
        f"A member of this archive is {what}."
        if not what.startswith("below")
        else f"A member of this archive lies {what}.",
        where=archive,
        found=name,
        expected="files and folders inside the archive, each once",
        remedy="fetch the archive from its official place; do not unpack this one",
    )


def _damaged(path: Path, error: object) -> DataError:
    error = str(error)[:_TOLD]  # zipfile quotes the whole of a name that it cannot read
    return DataError(
        "An archive is damaged or encrypted.",
        where=path,
        found=error,
        remedy="fetch it again, or unpack it yourself",
    )
