"""RAF-DB, basic subset: `EmoLabel/list_patition_label.txt` (sic) with `train_00001.jpg 5`, pictures under `Image/`.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the wild", 2017.
Aligned faces are preferred (`Image/aligned`, which the archive nests once more); originals serve where there are none.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_core.errors import DataError
from fer_core.labels import CLASSES, INDEX
from fer_core.sources.faces import Announced, Exclusion, Face, tally
from fer_core.sources.label_files import Line, find_file, line_error, read_lines, relative_path
from fer_core.sources.options import CleanOptions
from fer_core.sources.parallel import ordered_map
from fer_core.sources.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LABEL_OF_ID", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "rafdb_basic"
ADAPTER_VERSION = 1

LABEL_OF_ID = {
    identifier: INDEX[name]
    for identifier, name in {
        "1": "Surprise",
        "2": "Fear",
        "3": "Disgust",
        "4": "Happy",
        "5": "Sad",
        "6": "Angry",
        "7": "Neutral",
    }.items()
}

_LISTS = [f"{top}EmoLabel/{name}" for top in ("", "basic/") for name in ("list_patition_label.txt", "list_partition_label.txt")]
_FOLDERS = ("aligned/aligned", "aligned", "original/original", "original")  # in order of preference


class _Entry(NamedTuple):
    name: str
    label: int
    split: str
    line: Line


def recognise(tree: RawTree) -> bool:
    """True where the label list lies in the folder."""
    return any(tree.is_file(name) for name in _LISTS)


def files(tree: RawTree) -> list[str]:
    """The label list and the pictures."""
    labels = find_file(tree, _LISTS, "RAF-DB label list")
    return [labels, *[folder for folder in [_images(labels)] if tree.is_dir(folder)]]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per split and class."""
    announced: Announced = {}
    for entry in _entries(tree, files(tree)[0]):
        tally(announced, entry.split, CLASSES[entry.label])
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face a line, in the order of the list; the bytes are the original file's."""
    labels = files(tree)[0]
    entries = _entries(tree, labels)
    paths = _locate(entries, tree, labels)

    def face(entry: _Entry) -> Face:
        key, path = f"{source}/{entry.name}", paths[entry.name]
        note = "" if "aligned" in path.split("/")[:-1] else "original picture instead of the aligned face"
        return Face(key, tree.read(path), entry.label, entry.split, entry.name.split("_")[0], key, note=note)

    return ordered_map(face, entries, chunk=16)


def _images(labels: str) -> str:
    """The folder of the pictures, beside that of the list."""
    return labels.rpartition("EmoLabel/")[0] + "Image"


def _entries(tree: RawTree, labels: str) -> list[_Entry]:
    """The list with names, ids and prefixes checked.

    Raises:
        DataError: wrong number of columns, unknown id or prefix, a path that leaves the data set, a name listed twice.
    """
    file = tree.where(labels)
    entries: list[_Entry] = []
    seen: dict[str, int] = {}
    for line in read_lines(tree, labels):
        columns = line.text.split()
        if len(columns) != 2:
            raise line_error("A line has the wrong number of columns.", file, line, expected="2: file name and emotion id")
        name, identifier = relative_path(columns[0], file, line), columns[1]
        if identifier not in LABEL_OF_ID:
            raise line_error(f"Unknown emotion id {identifier!r}.", file, line, expected="1 to 7 (the compound set has other ids)")
        prefix = PurePosixPath(name).name.split("_")[0]
        if prefix not in ("train", "test"):
            raise line_error("A file name does not say its split.", file, line, expected="a name that begins with train_ or test_")
        if name in seen:
            raise line_error(f"A file is listed twice, first in line {seen[name]}.", file, line, expected="one line for each file")
        seen[name] = line.number
        entries.append(_Entry(name, LABEL_OF_ID[identifier], prefix, line))
    return entries


def _locate(entries: list[_Entry], tree: RawTree, labels: str) -> dict[str, str]:
    """Path of each listed face.

    Raises:
        DataError: some are missing; names the first and says how many.
    """
    images, label_file = _images(labels), tree.where(labels)
    paths: dict[str, str] = {}
    missing: list[_Entry] = []
    for entry in entries:
        plain = PurePosixPath(entry.name)
        suffixed = f"{plain.stem}_aligned{plain.suffix}"
        # the suffixed name is tried in both aligned folders before the plain one
        places = [(folder, name) for name in (suffixed, plain.name) for folder in _FOLDERS[:2]]
        places += [(folder, plain.name) for folder in _FOLDERS[2:]]
        found = next((path for folder, name in places if tree.is_file(path := f"{images}/{folder}/{name}")), None)
        if found is None:
            missing.append(entry)
        else:
            paths[entry.name] = found
    if missing:
        raise DataError(
            f"{len(missing)} of {len(entries)} listed images are missing.",
            where=f"{label_file}, line {missing[0].line.number}",
            found=f"no file for {missing[0].name!r}",
            expected=f"{PurePosixPath(missing[0].name).stem}_aligned.jpg in {images}/aligned, or the original in {images}/original",
            remedy="unpack the image archive completely",
        )
    return paths
