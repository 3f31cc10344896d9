"""Descriptor `data/sources/<name>.json`: what a data set is, where it lies below the raw folder and
how to see that it is unchanged.

The only thing about raw data that git and DVC see. It holds no path of a machine: `root` is
relative to the raw folder (`FER_RAW`, default `raw/`). Three kinds: present, absent (`"present":
false`), and embedded sample (`"sample": {…}`, rendered).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, write_json
from fer_core.sources.catalogue.registry import LAYOUTS, reader_for
from fer_core.sources.files.tree import Fingerprint, RawTree, open_tree

__all__ = ["Descriptor", "absent", "checked_tree", "read_descriptor", "scanned", "write_descriptor"]

_OF_TREE = {"root": str, "files": int, "bytes": int, "fingerprint": str}
_LABELS = "labels"  # of the tree, too; descriptors of earlier versions lack it
_ALWAYS = {"name": str, "layout": str, "present": bool}
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
    """

    name: str
    layout: str
    present: bool
    licence: str = ""
    root: str | None = None
    tree: Fingerprint | None = None
    sample: dict[str, Any] | None = None


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
    if not isinstance(values, dict):
        raise _unfit(path, "not an object", "an object")
    wanted: dict[str, type] = dict(_ALWAYS)
    if "sample" in values:
        wanted["sample"] = dict
    elif values.get("present") is True:
        wanted |= _OF_TREE | ({_LABELS: str} if _LABELS in values else {})
    for key, kind in wanted.items():
        if type(values.get(key)) is not kind:
            raise _unfit(path, f"{key}: {values.get(key)!r}", f"{key}: {kind.__name__}")
    if unknown := sorted(set(values) - set(wanted) - {"licence"}):
        raise _unfit(path, f"unknown keys {', '.join(unknown)}", ", ".join([*wanted, "licence"]))
    if values["name"] != path.stem or not re.fullmatch(r"[a-z0-9_]+", path.stem):
        raise _unfit(
            path,
            f"name: {values['name']}",
            f"the file's name, {path.stem}, of small letters, digits and _",
        )
    if values["layout"] not in LAYOUTS:
        raise _unfit(path, f"layout: {values['layout']}", f"one of {', '.join(LAYOUTS)}")
    root = values.get("root") if "root" in wanted else None
    if root is not None and (
        PurePosixPath(root).is_absolute()
        or ".." in root.split("/")
        or re.match(r"[A-Za-z]:|.*\\", root)
    ):
        raise _unfit(path, f"root: {root}", "a path inside the raw folder, relative to it")
    return Descriptor(
        name=values["name"],
        layout=values["layout"],
        present=values["present"],
        licence=values.get("licence", ""),
        root=root,
        tree=None
        if root is None
        else Fingerprint(
            values["files"], values["bytes"], values["fingerprint"], values.get(_LABELS, "")
        ),
        sample=values.get("sample"),
    )


def _unfit(path: Path, found: str, expected: str) -> DataError:
    problem, remedy = "A descriptor is not as it must be.", "`fer data add NAME PATH` writes it"
    return DataError(problem, where=path, found=found, expected=expected, remedy=remedy)


def write_descriptor(folder: Path, descriptor: Descriptor) -> Path:
    """Write `<folder>/<name>.json`; returns its path."""
    values: dict[str, Any] = {
        "name": descriptor.name,
        "layout": descriptor.layout,
        "present": descriptor.present,
    }
    if descriptor.sample is not None:
        values["sample"] = descriptor.sample
    elif descriptor.root is not None and descriptor.tree is not None:
        values |= {
            "root": descriptor.root,
            "files": descriptor.tree.files,
            "bytes": descriptor.tree.bytes,
        }
        values |= {"fingerprint": descriptor.tree.sha256} | (
            {_LABELS: descriptor.tree.labels} if descriptor.tree.labels else {}
        )
    values["licence"] = descriptor.licence
    path = folder / f"{descriptor.name}.json"
    write_json(path, values)
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
        tree=tree.fingerprint(reader_for(layout).files(tree)),
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
    now = tree.fingerprint(reader_for(descriptor.layout).files(tree))
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
