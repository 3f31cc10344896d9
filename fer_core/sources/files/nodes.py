"""What a raw data set is made of: files and folders of the file system, and archives that are read
as folders. All may be hostile: links, names and depth are checked.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from fer_core.base.errors import DataError
from fer_core.pixels.picture_files import is_litter
from fer_core.sources.files.archives import (
    ArchiveFolder,
    Member,
    archive_stem,
    open_archive,
)

__all__ = [
    "DEEPEST",
    "DiskFile",
    "DiskFolder",
    "MountedArchive",
    "Node",
    "children_of",
    "named",
    "walk",
    "walk_disk",
]

DEEPEST = 64
"""Folders inside each other."""


@dataclass(frozen=True)
class DiskFile:
    """A file of the file system."""

    path: Path

    @property
    def size(self) -> int:
        """In bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError as error:
            raise DataError(
                "A link leads nowhere.", where=self.path, remedy="remove or correct the link"
            ) from error

    def open(self) -> IO[bytes]:
        """A stream of its bytes."""
        return self.path.open("rb")

    def read(self) -> bytes:
        """All its bytes."""
        return self.path.read_bytes()


@dataclass(frozen=True)
class DiskFolder:
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
    def entries(self) -> "dict[str, DiskFile | DiskFolder]":
        """What lies in it, sorted by name.

        Raises:
            DataError: a link leads out of the data set, nowhere or in a circle, a name is not
                UTF-8, something is neither file nor folder, or there are too many folders inside
                each other.
        """
        if len(self.above) > DEEPEST:
            raise DataError(
                "Too many folders lie inside each other.",
                where=self.path,
                expected=f"at most {DEEPEST}",
                remedy="remove them",
            )
        found: dict[str, DiskFile | DiskFolder] = {}
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
                    DiskFolder(path, homes, (*self.above, real))
                    if entry.is_dir()
                    else DiskFile(path)
                )
        return found

    @cached_property
    def children(self) -> "dict[str, Node]":
        """What lies in it, archives as folders.

        Raises:
            DataError: as `entries`.
        """
        mounted: dict[str, Node] = {}
        for name, entry in self.entries.items():
            stem = archive_stem(name) if isinstance(entry, DiskFile) else None
            if stem is None:
                mounted[name] = entry
            elif stem not in self.entries:
                mounted[stem] = MountedArchive(self.path / name)
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
class MountedArchive:
    """An archive that is read as a folder; opened when first looked into."""

    path: Path

    @cached_property
    def children(self) -> "Mapping[str, Node]":
        """Its top folder."""
        return open_archive(self.path).children


Node = DiskFile | DiskFolder | MountedArchive | Member | ArchiveFolder


def children_of(node: Node | None) -> "Mapping[str, Node]":
    """What lies in a folder; nothing in a file."""
    return {} if node is None or isinstance(node, DiskFile | Member) else node.children


def named(children: "Mapping[str, Node]", name: str) -> str | None:
    """The entry of that name, else the only one that differs from it by case alone."""
    if name in children:
        return name
    alike = (
        [other for other in children if other.lower() == name.lower()]
        if len(children) <= 64
        else _alike(children, name)
    )
    return alike[0] if len(alike) == 1 else None


def _alike(children: "Mapping[str, Node]", name: str) -> list[str]:
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


def walk(node: Node | None, path: str) -> Iterator[str]:
    """Every file under a node by its path, sorted by name within each folder."""
    for name, child in sorted(children_of(node).items()):
        inner = f"{path}/{name}" if path else name
        if isinstance(child, DiskFile | Member):
            yield inner
        else:
            yield from walk(child, inner)


def walk_disk(node: Node, path: str) -> Iterator[tuple[str, DiskFile]]:
    """The same of the file system alone, with the files; archives are files."""
    if isinstance(node, DiskFile):
        yield path, node
    elif isinstance(node, DiskFolder):
        for name, child in node.entries.items():
            yield from walk_disk(child, f"{path}/{name}" if path else name)
