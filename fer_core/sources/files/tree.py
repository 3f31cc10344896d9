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
from pathlib import Path
from typing import IO

from fer_core.base.errors import DataError
from fer_core.base.files import sha256_file
from fer_core.sources.files.archives import ArchiveFolder, Member, archive_stem
from fer_core.sources.files.nodes import (
    DEEPEST,
    DiskFile,
    DiskFolder,
    MountedArchive,
    Node,
    children_of,
    named,
    walk,
    walk_disk,
)

__all__ = ["TABLES", "Fingerprint", "RawTree", "open_tree"]

_LARGEST = 1 << 28  # bytes of a file that is read whole
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".lst", ".txt", ".parquet")
"""Endings of label tables that can be given by themselves."""

SUBGROUPS = "subgroups.csv"
"""Table that may lie beside any data set and lists none of its faces (see `subgroups`)."""
_LABELS = (*TABLES, ".yaml", ".yml", ".json", ".npy")
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


class RawTree:
    """A raw data set; open with `open_tree`. It is a snapshot: folders are listed once.

    Attributes:
        place: the folder or archive, for error texts.
        table: the label file in it that is meant where several would do; "" leaves it open.
    """

    def __init__(
        self,
        place: Path,
        root: "DiskFolder | MountedArchive | ArchiveFolder",
        archive: Path | None,
        table: str = "",
    ) -> None:
        self.place = place
        self.table = table
        self._root = root
        self._archive = archive
        self._folders: dict[str, Node | None] = {"": root}

    def where(self, name: str) -> Path:
        """Where a name is, for error texts."""
        return self.place / name if name else self.place

    def is_file(self, name: str) -> bool:
        """True where a file of that name is."""
        return isinstance(self._node(name), DiskFile | Member)

    def is_dir(self, name: str) -> bool:
        """True where a folder, or an archive that is read as one, is."""
        node = self._node(name)
        return node is not None and not isinstance(node, DiskFile | Member)

    def is_archive(self, name: str) -> bool:
        """True where an archive is read as the folder of that name."""
        return isinstance(self._node(name), MountedArchive)

    def names(self, folder: str = "") -> list[str]:
        """Names of all that lies in a folder, sorted; none where there is no folder."""
        return sorted(children_of(self._node(folder)))

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders in a folder, sorted."""
        return [
            name
            for name, node in sorted(children_of(self._node(folder)).items())
            if not isinstance(node, DiskFile | Member)
        ]

    def walk(self, start: str = "") -> Iterator[str]:
        """Every file under `start` but the table of subgroups, sorted by name within each folder,
        with its path from the data set's root.

        Raises:
            DataError: a link leads out of the data set, nowhere or in a circle, a name is not
                UTF-8, an archive is damaged.
        """
        yield from (path for path in walk(self._node(start), start) if path != SUBGROUPS)

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

    def size(self, name: str) -> int:
        """A file's bytes; 0 where there is no such file."""
        node = self._node(name)
        return node.size if isinstance(node, DiskFile | Member) else 0

    def fingerprint(self, parts: Iterable[str]) -> Fingerprint:
        """Fingerprint of files and folders, whatever the order they are given in; of an archive its
        own name and size.

        Raises:
            DataError: as `walk`.
        """
        if self._archive is not None:
            files = {self._archive.name: DiskFile(self._archive)}
        else:
            files = {name: file for part in parts for name, file in self._real_files(part)}
        sizes = {name: file.size for name, file in files.items()}
        contents = {
            name: sha256_file(file.path)
            for name, file in files.items()
            if name.lower().endswith(_LABELS) and sizes[name] <= _LONGEST_LABELS
        }
        return Fingerprint(len(sizes), sum(sizes.values()), _digest(sizes), _digest(contents))

    def _real_files(self, part: str) -> Iterator[tuple[str, DiskFile]]:
        """The files of the file system that hold a part of the tree."""
        node: Node = self._root
        path: list[str] = []
        for name in part.split("/") if part else []:
            if isinstance(node, DiskFolder) and (found := named(node.children, name)) is not None:
                if isinstance(inner := node.children[found], MountedArchive):
                    yield "/".join([*path, inner.path.name]), DiskFile(inner.path)
                    return
                node = inner
                path.append(found)
        yield from walk_disk(node, "/".join(path))

    def _file(self, name: str) -> DiskFile | Member:
        node = self._node(name)
        if not isinstance(node, DiskFile | Member):
            raise DataError(
                "A file of the data set is missing.",
                where=self.where(name),
                remedy="unpack the data set completely",
            )
        return node

    def _node(self, name: str) -> Node | None:
        if name.count("/") > 2 * DEEPEST:  # those of the file system and those of an archive
            return None
        folder, _, last = name.rpartition("/")
        if not last:
            return self._folders[""]
        if folder not in self._folders:
            self._folders[folder] = self._node(folder)
        children = children_of(self._folders[folder])
        found = named(children, last)
        return None if found is None else children[found]


def open_tree(path: Path) -> RawTree:
    """The tree of a folder, of an archive, of a folder inside an archive (`data.zip/inner`), or of
    the folder of a label table, which then is the one that is meant.

    Raises:
        DataError: there is nothing, or a file that is neither archive nor table.
    """
    if path.is_dir():
        return RawTree(path, _disk_folder(path), None)
    if path.is_file() and path.name.lower().endswith(TABLES):
        return RawTree(path.parent, _disk_folder(path.parent), None, path.name)
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
    whole = RawTree(place, MountedArchive(place), place)
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


def _disk_folder(path: Path) -> DiskFolder:
    """A folder, with the places that links in it may lead into: itself, and the store of a snapshot
    that the Hugging Face hub has fetched, whose files are links to `blobs/`.
    """
    real = Path(os.path.realpath(path))
    blobs = [
        snapshots.parent / "blobs" for snapshots in real.parents if snapshots.name == "snapshots"
    ]
    return DiskFolder(path, (str(real), *(str(folder) for folder in blobs if folder.is_dir())))


def _digest(values: Mapping[str, object]) -> str:
    lines = "".join(f"{name}\t{value}\n" for name, value in sorted(values.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
