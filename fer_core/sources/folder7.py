"""Folders named after classes: `{train,val,test}/{class}/file`, or `{class}/file` (then all is train), or several of these side by side.

Covers the FER2013 folders of Kaggle, AffectNet folder copies and one's own pictures. A class folder may bear any alias that
`fer_core.labels` knows; faces in other folders (contempt, none, …) are excluded and counted.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fer_core.errors import DataError
from fer_core.labels import CLASSES, class_index
from fer_core.sources.faces import Announced, Exclusion, Face, tally
from fer_core.sources.options import CleanOptions
from fer_core.sources.parallel import ordered_map
from fer_core.sources.tree import is_litter, walk

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "is_split_or_class", "recognise", "scan"]

LAYOUT = "folder7"
ADAPTER_VERSION = 1

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


class _Entry(NamedTuple):
    path: str
    split: str
    usage: str
    word: str
    label: int
    reason: str  # "" for a face


def recognise(root: Path) -> bool:
    """True where the folder, or each folder in it, holds split or class folders."""
    return _form(root) is not None or any(_form(folder) is not None for folder in _folders(root))


def files(root: Path) -> list[Path]:
    """The whole folder."""
    return [root]


def announce(root: Path, options: CleanOptions) -> Announced:
    """Files per split and class folder."""
    announced: Announced = {}
    for entry in _entries(root):
        tally(announced, entry.split, entry.word)
    return announced


def scan(root: Path, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a file, sorted by path; the bytes are the original file's."""

    def item(entry: _Entry) -> Face | Exclusion:
        key = f"{source}/{entry.path}"
        if entry.reason:
            return Exclusion(key, entry.reason, entry.path, entry.split, entry.word)
        return Face(key, (root / entry.path).read_bytes(), entry.label, entry.split, entry.usage, key)

    return ordered_map(item, _entries(root), chunk=16)


def is_split_or_class(name: str) -> bool:
    """True for a folder name that this layout gives a meaning."""
    return name.lower() in _SPLITS or class_index(name) is not None


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not is_litter(path.name)) if root.is_dir() else []


def _form(folder: Path) -> str | None:
    """ "splits" or "classes" by the names of the folders in it; None where neither is there."""
    names = [path.name for path in _folders(folder)]
    if any(name.lower() in _SPLITS for name in names):
        return "splits"
    return "classes" if any(class_index(name) is not None for name in names) else None


def _entries(root: Path) -> Iterator[_Entry]:
    """All files with what their folders say.

    Raises:
        DataError: no class folder anywhere, or two files whose paths differ only by what the system ignores.
    """
    if (form := _form(root)) is not None:
        yield from _entries_of(root, root, form)
        return
    collections = [(folder, _form(folder)) for folder in _folders(root)]
    if not any(form for _, form in collections):
        raise DataError(
            "No class folders here.",
            where=root,
            found=", ".join(folder.name for folder, _ in collections[:8]) or "no folders",
            expected=f"{{train,val,test}}/{{{','.join(CLASSES)}}}/ or {{{','.join(CLASSES)}}}/",
            remedy="name the folders after the classes",
        )
    for folder, form in collections:
        yield from _entries_of(root, folder, form or "unknown")


def _entries_of(root: Path, base: Path, form: str) -> Iterator[_Entry]:
    depth = len(base.relative_to(root).parts)
    for path, _ in walk(root, base):
        folders = PurePosixPath(path).parts[depth:-1]
        usage = folders[0] if form == "splits" and folders else ""
        split = _SPLITS.get(usage.lower(), "none") if form == "splits" else "train"
        inner = folders[1:] if form == "splits" else folders
        word = inner[0] if inner else ""
        label = class_index(word)
        reason = ""
        if PurePosixPath(path).suffix.lower() not in _SUFFIXES:
            reason, word = "not an image file", "(other file)"
        elif form == "unknown" or split == "none":
            reason, word = "folder name is no split", folders[0] if folders else "(no folder)"
        elif label is None:
            reason, word = "folder name is none of the seven classes", word.lower() or "(no folder)"
        else:
            word = CLASSES[label]
        yield _Entry(path, split, usage, word, -1 if label is None else label, reason)
