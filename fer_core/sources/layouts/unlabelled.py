"""Pictures without labels: every image in a folder and the folders below it.

They have label -1 and no split, so they go into no set; what reads face stores itself can use them.
A folder where anything looks like labels is left to the layout that knows them.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from fer_core.base.errors import DataError
from fer_core.base.labels import UNLABELLED, class_index
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.image_names import IMAGE_SUFFIXES, is_image
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "unlabelled"
ADAPTER_VERSION = 2

_SPLIT = "none"
_OTHER = "(other file)"
_TABLES = {
    ".csv",
    ".tsv",
    ".lst",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
    ".npy",
    ".npz",
    ".mat",
    ".parquet",
    ".gz",
}
_LABELS = re.compile(r"(?<!un)label|annotation")


def recognise(tree: RawTree) -> bool:
    """True where there are images, no folder that bears the name of a class, and no file or folder
    that may hold labels.
    """
    images = False
    for path in tree.walk():
        *folders, name = path.lower().split("/")
        if is_image(name):
            images = True
        elif _suffix(name) in _TABLES or _LABELS.search(name):
            return False
        if any(_LABELS.search(folder) or class_index(folder) is not None for folder in folders):
            return False
    return images


def files(tree: RawTree) -> list[str]:
    """The whole folder."""
    return [""]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Images and other files.

    Raises:
        DataError: there is no image.
    """
    announced: Announced = {}
    for path in tree.walk():
        tally(announced, _SPLIT, "unlabelled" if is_image(path) else _OTHER)
    if "unlabelled" not in announced.get(_SPLIT, {}):
        raise DataError(
            "No images here.",
            where=tree.place,
            found=f"{sum(announced.get(_SPLIT, {}).values())} other files",
            expected=", ".join(sorted(IMAGE_SUFFIXES)),
            remedy="give the folder that holds the images",
        )
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a file, sorted by path; the bytes are the original file's."""

    def item(path: str) -> Face | Exclusion:
        key = f"{source}/{path}"
        if not is_image(path):
            return Exclusion(key, "not an image file", path, _SPLIT, _OTHER)
        return Face(key, tree.read(path), UNLABELLED, _SPLIT, "", key)

    return ordered_map(item, tree.walk(), chunk=16)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
