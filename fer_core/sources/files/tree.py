"""Read-only view of a raw data set: a folder, an archive read in place, or a folder that holds
archives.

Names are relative, with `/`. An archive `x.zip` (or .tar) is the folder `x` unless that is there
unpacked. Upper and lower case may differ where no two names are alike but for case. Litter of
operating systems is invisible.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

from fer_core.base.errors import DataError
from fer_core.base.files import sha256_file
from fer_core.sources.files.archives import (
    ArchiveFolder,
    Member,
    archive_stem,
    is_litter,
    open_archive,
)

__all__ = ["Fingerprint", "RawTree", "is_litter", "open_tree"]

_LARGEST = 1 << 28  # bytes of a file that is read whole
_DEEPEST = 64  # folders inside each other
_LABELS = (".csv", ".csv.gz", ".tsv", ".lst", ".txt", ".yaml", ".yml", ".json", ".npy")
_LONGEST_LABELS = 1 << 29  # bytes


@dataclass(frozen=True)
class Fingerprint:
    """What a data set's files are.

    Attributes:
        files: their number.
        bytes: their sizes together.
        sha256: of their sorted `relpath<TAB>size` lines (names and sizes, not contents).
        labels: SHA-256 of the sorted `relpath<TAB>sha256` lines of label files, so that a corrected
            label of the same length is seen; "" where that was never recorded. Those of more than
            512 MiB, and what lies in archives, are known by name and size only.
    """

    files: int
    bytes: int
    sha256: str
    labels: str = ""

    def fits(self, found: "Fingerprint") -> bool:
        """Whether files found now are these, as far as is recorded."""
        return self == (found if self.labels else replace(found, labels=""))


@dataclass(frozen=True)
class _File:
    path: Path

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError as error:
            raise DataError(
                "A link leads nowhere.", where=self.path, remedy="remove or correct the link"
            ) from error

    def open(self) -> IO[bytes]:
        return self.path.open("rb")

    def read(self) -> bytes:
        return self.path.read_bytes()


@dataclass(frozen=True)
class _Folder:
    """A folder of the file system.

    Attributes:
        path: where it is.
        homes: real paths that links in it may lead into: the data set's and that of the link at its
            top, if one led here.
        above: real paths of the folders around it.
    """

    path: Path
    homes: tuple[str, ...]
    above: tuple[str, ...] = ()

    @cached_property
    def entries(self) -> "dict[str, _File | _Folder]":
        """What lies in it, sorted by name.

        Raises:
            DataError: a link leads out of the data set, nowhere or in a circle, a name is not
                UTF-8, something is neither file nor folder, or there are too many folders inside
                each other.
        """
        if len(self.above) > _DEEPEST:
            raise DataError(
                "Too many folders lie inside each other.",
                where=self.path,
                expected=f"at most {_DEEPEST}",
                remedy="remove them",
            )
        found: dict[str, _File | _Folder] = {}
        real = os.path.realpath(self.path)
        with os.scandir(self.path) as listing:
            for entry in sorted(
                (entry for entry in listing if not is_litter(entry.name)),
                key=lambda entry: entry.name,
            ):
                path = Path(entry.path)
                try:
                    entry.name.encode()
                except UnicodeEncodeError as error:
                    raise DataError(
                        "A file name is not UTF-8.",
                        where=self.path,
                        found=repr(entry.name),
                        remedy="rename the file",
                    ) from error
                homes = self._homes_of(path) if entry.is_symlink() else self.homes
                if not (entry.is_dir() or entry.is_file()):
                    raise DataError(
                        "This is neither a file nor a folder.", where=path, remedy="remove it"
                    )
                found[entry.name] = (
                    _Folder(path, homes, (*self.above, real)) if entry.is_dir() else _File(path)
                )
        return found

    @cached_property
    def children(self) -> "dict[str, _Node]":
        """What lies in it, archives as folders.

        Raises:
            DataError: as `entries`.
        """
        mounted: dict[str, _Node] = {}
        for name, entry in self.entries.items():
            stem = archive_stem(name) if isinstance(entry, _File) else None
            if stem is None:
                mounted[name] = entry
            elif stem not in self.entries:
                mounted[stem] = _Mount(self.path / name)
        return dict(sorted(mounted.items()))

    def _homes_of(self, link: Path) -> tuple[str, ...]:
        """Links at the top of a data set lead where its owner put parts of it; further down they
        must stay inside.
        """
        target = os.path.realpath(link)
        if not Path(target).exists():
            raise DataError(
                "A link leads nowhere.", where=link, remedy="remove or correct the link"
            )
        if target in (*self.above, os.path.realpath(self.path)):
            raise DataError(
                "A link leads in a circle.", where=link, found=target, remedy="remove the link"
            )
        if not self.above:
            return (*self.homes, target)
        if not any(target == home or target.startswith(home + os.sep) for home in self.homes):
            raise DataError(
                "A link leads out of the data set.",
                where=link,
                found=target,
                expected="links inside the data set; only those in its top folder may lead "
                "elsewhere",
                remedy="remove the link, or put the files themselves there",
            )
        return self.homes


@dataclass(frozen=True)
class _Mount:
    """An archive that is read as a folder; opened when first looked into."""

    path: Path

    @cached_property
    def children(self) -> "Mapping[str, _Node]":
        return open_archive(self.path).children


_Node = _File | _Folder | _Mount | Member | ArchiveFolder


class RawTree:
    """A raw data set; open with `open_tree`. It is a snapshot: folders are listed once.

    Attributes:
        place: the folder or archive, for error texts.
    """

    def __init__(
        self, place: Path, root: "_Folder | _Mount | ArchiveFolder", archive: Path | None
    ) -> None:
        self.place = place
        self._root = root
        self._archive = archive
        self._folders: dict[str, _Node | None] = {"": root}

    def where(self, name: str) -> Path:
        """Where a name is, for error texts."""
        return self.place / name if name else self.place

    def is_file(self, name: str) -> bool:
        """True where a file of that name is."""
        return isinstance(self._node(name), _File | Member)

    def is_dir(self, name: str) -> bool:
        """True where a folder, or an archive that is read as one, is."""
        node = self._node(name)
        return node is not None and not isinstance(node, _File | Member)

    def is_archive(self, name: str) -> bool:
        """True where an archive is read as the folder of that name."""
        return isinstance(self._node(name), _Mount)

    def names(self, folder: str = "") -> list[str]:
        """Names of all that lies in a folder, sorted; none where there is no folder."""
        return sorted(_children(self._node(folder)))

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders in a folder, sorted."""
        return [
            name
            for name, node in sorted(_children(self._node(folder)).items())
            if not isinstance(node, _File | Member)
        ]

    def walk(self, start: str = "") -> Iterator[str]:
        """Every file under `start`, sorted by name within each folder, with its path from the data
        set's root.

        Raises:
            DataError: a link leads out of the data set, nowhere or in a circle, a name is not
                UTF-8, an archive is damaged.
        """
        yield from _walk(self._node(start), start)

    def open(self, name: str) -> IO[bytes]:
        """A stream of a file's bytes.

        Raises:
            DataError: no such file, or its archive is damaged.
        """
        return self._file(name).open()

    def read(self, name: str) -> bytes:
        """A file's bytes; safe in several threads at once.

        Raises:
            DataError: no such file, one of more than 256 MiB, or its archive is damaged.
        """
        file = self._file(name)
        if file.size > _LARGEST:
            raise DataError(
                "A file is too large for a picture.",
                where=self.where(name),
                found=f"{file.size} bytes",
                remedy="look at it",
            )
        return file.read()

    def fingerprint(self, parts: Iterable[str]) -> Fingerprint:
        """Fingerprint of files and folders, whatever the order they are given in; of an archive its
        own name and size.

        Raises:
            DataError: as `walk`.
        """
        if self._archive is not None:
            files = {self._archive.name: _File(self._archive)}
        else:
            files = {name: file for part in parts for name, file in self._real_files(part)}
        sizes = {name: file.size for name, file in files.items()}
        contents = {
            name: sha256_file(file.path)
            for name, file in files.items()
            if name.lower().endswith(_LABELS) and sizes[name] <= _LONGEST_LABELS
        }
        return Fingerprint(len(sizes), sum(sizes.values()), _digest(sizes), _digest(contents))

    def _real_files(self, part: str) -> Iterator[tuple[str, _File]]:
        """The files of the file system that hold a part of the tree."""
        node: _Node = self._root
        path: list[str] = []
        for name in part.split("/") if part else []:
            if isinstance(node, _Folder) and (found := _named(node.children, name)) is not None:
                if isinstance(inner := node.children[found], _Mount):
                    yield "/".join([*path, inner.path.name]), _File(inner.path)
                    return
                node = inner
                path.append(found)
        yield from _walk_real(node, "/".join(path))

    def _file(self, name: str) -> _File | Member:
        node = self._node(name)
        if not isinstance(node, _File | Member):
            raise DataError(
                "A file of the data set is missing.",
                where=self.where(name),
                remedy="unpack the data set completely",
            )
        return node

    def _node(self, name: str) -> _Node | None:
        if name.count("/") > 2 * _DEEPEST:  # those of the file system and those of an archive
            return None
        folder, _, last = name.rpartition("/")
        if not last:
            return self._folders[""]
        if folder not in self._folders:
            self._folders[folder] = self._node(folder)
        children = _children(self._folders[folder])
        found = _named(children, last)
        return None if found is None else children[found]


def open_tree(path: Path) -> RawTree:
    """The tree of a folder, of an archive, or of a folder inside an archive (`data.zip/inner`).

    Raises:
        DataError: there is nothing, or a file that is no archive.
    """
    if path.is_dir():
        return RawTree(path, _Folder(path, (os.path.realpath(path),)), None)
    for place in (path, *path.parents):
        if place.is_file():
            break
    else:
        place = path
    if not place.is_file():
        raise DataError(
            "There is nothing at this path.",
            where=path,
            remedy="give the folder or archive that holds the data set",
        )
    if archive_stem(place.name) is None:
        raise DataError(
            "This file is no archive that can be read.",
            where=place,
            expected=".zip, .tar, or a folder",
            remedy="unpack it",
        )
    whole = RawTree(place, _Mount(place), place)
    inner = path.relative_to(place).as_posix()
    if inner == ".":
        return whole
    node = whole._node(inner)
    if not isinstance(node, ArchiveFolder):
        raise DataError(
            "The archive holds no such folder.",
            where=place,
            found=inner,
            expected=", ".join(whole.folders()[:8]) or "folders",
        )
    return RawTree(path, node, place)


def _children(node: _Node | None) -> "Mapping[str, _Node]":
    return {} if node is None or isinstance(node, _File | Member) else node.children


def _named(children: "Mapping[str, _Node]", name: str) -> str | None:
    """The entry of that name, else the only one that differs from it by case alone."""
    if name in children:
        return name
    alike = (
        [other for other in children if other.lower() == name.lower()]
        if len(children) <= 64
        else _alike(children, name)
    )
    return alike[0] if len(alike) == 1 else None


def _alike(children: "Mapping[str, _Node]", name: str) -> list[str]:
    """As a search through all of them, but for the usual changes of case only: big folders are
    asked half a million times.
    """
    stem, dot, suffix = name.rpartition(".")
    variants = {
        name.lower(),
        name.upper(),
        stem + dot + suffix.lower(),
        stem + dot + suffix.upper(),
        stem.lower() + dot + suffix.upper(),
    }
    return [variant for variant in variants if variant in children]


def _walk(node: _Node | None, path: str) -> Iterator[str]:
    for name, child in sorted(_children(node).items()):
        inner = f"{path}/{name}" if path else name
        if isinstance(child, _File | Member):
            yield inner
        else:
            yield from _walk(child, inner)


def _digest(values: Mapping[str, object]) -> str:
    lines = "".join(f"{name}\t{value}\n" for name, value in sorted(values.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _walk_real(node: _Node, path: str) -> Iterator[tuple[str, _File]]:
    if isinstance(node, _File):
        yield path, node
    elif isinstance(node, _Folder):
        for name, child in node.entries.items():
            yield from _walk_real(child, f"{path}/{name}" if path else name)
