"""Descriptor `data/sources/<name>.json`: what a data set is, where it lies below the raw folder and
how to see that it is unchanged.

The only thing about raw data that git and DVC see. It holds no path of a machine: `root` is
relative to the raw folder (`FER_RAW`, default `raw/`). Three kinds: present, absent (`"present":
false`), and embedded sample (`"sample": {…}`, rendered).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from fer_core.base.errors import ArtifactError, DataError, ParamsError
from fer_core.base.files import read_json, write_json
from fer_core.base.params import Section, parse_section
from fer_core.sources.catalogue.registry import LAYOUTS, reader_for
from fer_core.sources.files.subjects import check_pattern
from fer_core.sources.files.tree import Fingerprint, RawTree, open_tree

__all__ = ["Descriptor", "absent", "checked_tree", "read_descriptor", "scanned", "write_descriptor"]

_LONGEST_ROOT, _LONGEST_NAME = 2048, 255  # bytes
_RESTORE = "restore it (`git checkout`), or delete it and `fer data add NAME PATH` writes it again"


@dataclass(frozen=True)
class Descriptor:
    """One data set.

    Attributes:
        name: of the data set and its stage `clean@<name>`.
        layout: which reader reads it.
        present: False gives zero faces.
        licence: terms of use, as text.
        root: its folder or archive relative to the raw folder; None unless present and no sample.
        tree: what the folder held when it was scanned; None as `root`.
        sample: options of the renderer; None for real data.
        group_pattern: regular expression that finds a picture's person in its path; "" for none.
        corrected: its class counts may differ from the official ones.
        forgotten: sha256 of the pictures that nothing may be made of, sorted. Hashes alone, because
            a name may be a person's.
    """

    name: str
    layout: str
    present: bool
    licence: str = ""
    root: str | None = None
    tree: Fingerprint | None = None
    sample: dict[str, Any] | None = None
    group_pattern: str = ""
    corrected: bool = False
    forgotten: tuple[str, ...] = ()


class _File(Section):
    """The descriptor as it is written; descriptors of earlier versions lack `labels`."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(pattern="^[a-z0-9_]+$")]
    layout: str
    present: bool
    sample: dict[str, Any] | None = None
    root: str | None = None
    files: int | None = None
    bytes: int | None = None
    fingerprint: str | None = None
    labels: str | None = None
    group_pattern: str | None = None
    corrected: bool | None = None
    forgotten: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] | None = None
    licence: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "_File":
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout: {self.layout} is not one of {', '.join(LAYOUTS)}")
        needed = self.present and self.sample is None
        of_tree = (self.root, self.files, self.bytes, self.fingerprint)
        if any((value is not None) != needed for value in of_tree) or (self.labels and not needed):
            text = "must be there" if needed else "cannot be there"
            raise ValueError(f"root, files, bytes and fingerprint {text}")
        check_pattern(self.group_pattern or "")
        root = self.root or ""
        outside = PurePosixPath(root).is_absolute() or ".." in root.split("/")
        if len(root.encode()) > _LONGEST_ROOT or any(
            len(name.encode()) > _LONGEST_NAME for name in root.split("/")
        ):
            raise ValueError(f"root: {root[:40]}… is longer than any path")
        if "\0" in root or outside or re.match(r"[A-Za-z]:|.*\\", root):
            raise ValueError(f"root: {root} is not a path inside the raw folder, relative to it")
        return self


def read_descriptor(path: Path) -> Descriptor:
    """Read and check a descriptor.

    Raises:
        DataError: missing, not JSON, a key missing, unknown or of the wrong type, a name other than
            the file's, an unknown layout, or a root that leaves the raw folder.
    """
    try:
        values = read_json(path)
    except ArtifactError as error:
        if path.is_file():
            raise DataError(
                error.problem,
                where=path,
                found=error.found,
                expected="a descriptor",
                remedy=_RESTORE,
            ) from error
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json")))
        remedy = f"name a known data set, or `fer data add {path.stem} PATH`"
        raise DataError(
            "A data set has no descriptor.", where=path, expected=f"one of {known}", remedy=remedy
        ) from error
    try:
        file = parse_section("descriptor", values, _File, path)
        if file.name != path.stem:
            raise ParamsError("", found=f"name: {file.name}, not that of the file, {path.stem}")
    except ParamsError as error:
        raise DataError(
            "A descriptor is not as it must be.",
            where=path,
            found=error.found,
            remedy="`fer data add NAME PATH` writes it",
        ) from error
    tree = None
    if file.files is not None and file.bytes is not None and file.fingerprint is not None:
        tree = Fingerprint(file.files, file.bytes, file.fingerprint, file.labels or "")
    return Descriptor(
        file.name,
        file.layout,
        file.present,
        file.licence,
        file.root,
        tree,
        file.sample,
        file.group_pattern or "",
        file.corrected or False,
        tuple(file.forgotten or ()),
    )


def write_descriptor(folder: Path, descriptor: Descriptor) -> Path:
    """Write `<folder>/<name>.json`; returns its path."""
    of_tree: dict[str, Any] = {}
    if (tree := descriptor.tree) is not None:
        of_tree = {"files": tree.files, "bytes": tree.bytes, "fingerprint": tree.sha256}
        of_tree["labels"] = tree.labels or None
    file = _File(
        name=descriptor.name,
        layout=descriptor.layout,
        present=descriptor.present,
        sample=descriptor.sample,
        root=descriptor.root,
        licence=descriptor.licence,
        group_pattern=descriptor.group_pattern or None,
        corrected=descriptor.corrected or None,
        forgotten=sorted(descriptor.forgotten) or None,
        **of_tree,
    )
    path = folder / f"{descriptor.name}.json"
    write_json(path, file.model_dump(exclude_none=True))
    return path


def scanned(descriptor: Descriptor, raw: Path, layout: str, root: str) -> Descriptor:
    """The descriptor as it is when `raw/root` is read with `layout` as it lies there now.

    Raises:
        DataError: the folder or its label file is missing.
    """
    tree = _existing(descriptor.name, raw, root)
    return replace(
        descriptor,
        layout=layout,
        present=True,
        root=root,
        tree=tree.fingerprint(reader_for(layout).covered(tree)),
    )


def absent(descriptor: Descriptor) -> Descriptor:
    """The descriptor of a data set that is not there."""
    return replace(descriptor, present=False, root=None, tree=None)


def checked_tree(descriptor: Descriptor, raw: Path) -> RawTree:
    """The data set's files, after a scan of names, sizes and label files has shown that it still
    fits the descriptor.

    Raises:
        DataError: the folder is missing or holds other files than when it was added.
    """
    if descriptor.root is None or descriptor.tree is None:
        raise DataError(
            "This data set has no folder.",
            where=f"data/sources/{descriptor.name}.json",
            remedy=_add(descriptor.name),
        )
    tree = _existing(descriptor.name, raw, descriptor.root)
    now = tree.fingerprint(reader_for(descriptor.layout).covered(tree))
    if not descriptor.tree.fits(now):
        raise DataError(
            "The raw files are no longer those that the descriptor describes.",
            where=tree.place,
            found=_words(now),
            expected=_words(descriptor.tree),
            remedy=f"restore the files, or `fer data refresh {descriptor.name}` to take them as "
            "they are now",
        )
    return tree


def _existing(name: str, raw: Path, root: str) -> RawTree:
    place = raw / root
    if not place.exists() and not any(above.is_file() for above in place.parents):
        raise DataError(
            f"The raw folder of data set {name!r} is not on this machine.",
            where=place,
            remedy=f"{_add(name)}; or point FER_RAW (or `raw` in fer.local.toml) at the folder "
            f"that holds {root!r}; "
            f"or fetch the packed faces with `dvc pull`; or `fer data remove {name} --force` to go "
            "on without it",
        )
    return open_tree(place)


def _add(name: str) -> str:
    return f"`fer data add {name} PATH` with the folder that holds it"


def _words(tree: Fingerprint) -> str:
    return (
        f"{tree.files} files, {tree.bytes} bytes, fingerprint {tree.sha256[:16]}, labels "
        f"{tree.labels[:16] or 'not recorded'}"
    )
