"""What the RAF data sets have in common: the list whose names tell the split, and the places of the
pictures.

RAF-DB's basic and compound sets come as two folders with lists of one name; only the ids tell them
apart. Kaggle has the basic set as `DATASET/{train,test}/{1..7}/` with the aligned
faces, and lists `train_labels.csv` and `test_labels.csv` with the columns `image,label`; ids are
the official ones, and each face lies in the folder of its id. Faces keep the names of the official
list (`train_00001.jpg` for `train_00001_aligned.jpg`), so that both copies give the same
sample_ids.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import ClassVar

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import (
    Line,
    Listed,
    find_file,
    read_lines,
    read_table,
)
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader, settle_missing

__all__ = [
    "RafReader",
    "folder_files",
    "identifiers",
    "is_in_folders",
    "list_places",
    "read_folders",
    "read_list",
]

# the first is the official spelling
_NAMES = ("list_patition_label.txt", "list_partition_label.txt")
_FOLDERS = ("aligned/aligned", "aligned", "original/original", "original")  # in order of preference
_SPLIT_LISTS = {"train": "train_labels.csv", "test": "test_labels.csv"}
_TOPS = ("DATASET/", "")
_HEADER = ["image", "label"]
_ALIGNED = "_aligned"
_WIDE = re.compile(r"[,;\t]")  # between columns, in copies


class RafReader(Reader):
    """Reads a RAF data set whose pictures are in `Image`, beside the folder of its list.

    Attributes:
        places: where the list may be.
    """

    places: ClassVar[list[str]]

    def labels_in(self, tree: RawTree) -> str | None:
        """The list, or None where there is none."""
        return next((name for name in self.places if tree.is_file(name)), None)

    def files(self, tree: RawTree) -> list[str]:
        """The list and the pictures.

        Raises:
            DataError: no list.
        """
        labels = find_file(tree, self.places, "RAF-DB label list")
        images = _images_beside(tree, labels)
        folders = [images.rstrip("/")] if images.endswith("Image/") else _folders_in(tree, images)
        return [labels, *[folder for folder in folders if tree.is_dir(folder)]]

    def located(
        self, tree: RawTree, entries: Iterable[Entry], options: CleanOptions
    ) -> Iterable[Entry]:
        """The entries with the aligned face where there is one, else the original picture.

        Raises:
            DataError: some are missing; names the first and says how many.
        """
        images = _images_beside(tree, self.files(tree)[0])
        paths = ((entry, _find(tree, images, entry.key)) for entry in entries)
        return settle_missing(
            tree,
            [replace(entry, path=path, note=_note_on(path)) for entry, path in paths],
            options,
            what="images",
            expected=f"{{}}_aligned.jpg in {images}aligned, or the original in {images}original",
            remedy="unpack the image archive completely",
        )


def _images_beside(tree: RawTree, labels: str) -> str:
    """What stands before the folders of the pictures: `Image/` beside the list or beside its
    folder; where there is none, the place itself.
    """
    top, _, inner = labels.rpartition("EmoLabel/")
    top = top if inner != labels else labels.rpartition("/")[0]
    top += "/" if top and not top.endswith("/") else ""
    return f"{top}Image/" if tree.is_dir(f"{top}Image") or not _folders_in(tree, top) else top


def _folders_in(tree: RawTree, top: str) -> list[str]:
    """Folders of pictures that lie directly in a place."""
    return [name for name in (f"{top}aligned", f"{top}original") if tree.is_dir(name)]


def _find(tree: RawTree, images: str, name: str) -> str:
    """Path of a listed picture, "" where there is none; the suffixed name is tried in both aligned
    folders before the plain one.
    """
    plain = PurePosixPath(name)
    suffixed = f"{plain.stem}_aligned{plain.suffix}"
    places = [(folder, file) for file in (suffixed, plain.name) for folder in _FOLDERS[:2]]
    places += [(folder, plain.name) for folder in _FOLDERS[2:]]
    paths = [f"{images}{folder}/{file}" for folder, file in places]
    if images:  # copies with all pictures in `Image`
        paths += [f"{images}{suffixed}", f"{images}{plain.name}"]
    return next((path for path in paths if tree.is_file(path)), "")


def list_places(folder: str) -> list[str]:
    """Where a list may be: in the data set itself or in the folder that it is delivered in."""
    return [
        f"{top}{inner}{name}"
        for inner in ("EmoLabel/", "")
        for top in ("", f"{folder}/")
        for name in _NAMES
    ]


def identifiers(tree: RawTree, labels: str) -> set[int]:
    """All ids of a list. Faulty lines are passed over: `read_list` says what is wrong with them."""
    lines = (_WIDE.sub(" ", line.text).split() for line in read_lines(tree, labels))
    return {
        int(columns[1])
        for columns in lines
        if len(columns) == 2 and re.fullmatch("[0-9]{1,3}", columns[1])
    }


def read_list(
    tree: RawTree, labels: str, known: Mapping[str, int], remedy: str
) -> Iterator[tuple[Line, str, str, int]]:
    """Line, file name, split and meaning of the id of each entry of a list.

    Args:
        known: what each id means.
        remedy: what to do where an id is none of these.

    Raises:
        DataError: wrong number of columns, unknown id or prefix, a path that leaves the data set, a
            name listed twice.
    """
    listed = Listed("A file")
    for line in read_lines(tree, labels):
        spaced = line._replace(text=_WIDE.sub(" ", line.text))
        name, identifier = spaced.words(2, "file name and emotion id")
        name = re.sub(rf"{_ALIGNED}(?=\.[^./]*$)", "", line.path(name))
        if identifier not in known:
            problem = f"Unknown emotion id {identifier!r}."
            raise line.error(problem, f"1 to {len(known)}", remedy)
        split = PurePosixPath(name).name.split("_")[0]
        if split not in ("train", "test"):
            expected = "a name that begins with train_ or test_"
            raise line.error("A file name does not say its split.", expected)
        listed.add(name, line)
        yield line, name, split, known[identifier]


def _note_on(path: str) -> str:
    """The note of a face that was read from this path."""
    *folders, name = path.split("/")
    aligned = "aligned" in folders or PurePosixPath(name).stem.endswith("_aligned")
    return "" if aligned else "original picture instead of the aligned face"


def is_in_folders(tree: RawTree) -> bool:
    """True where both lists and folders named after ids are there."""
    return all(tree.is_file(name) for name in _lists(tree).values()) and tree.is_dir(
        f"{_top(tree)}train/1"
    )


def folder_files(tree: RawTree) -> list[str]:
    """Both lists and the folders of the splits."""
    return [*_lists(tree).values(), *(f"{_top(tree)}{split}" for split in _SPLIT_LISTS)]


def _lists(tree: RawTree) -> dict[str, str]:
    """List of each split, beside `DATASET` or in it."""
    return {
        split: next(
            (f"{top}{name}" for top in ("", _top(tree)) if tree.is_file(f"{top}{name}")), name
        )
        for split, name in _SPLIT_LISTS.items()
    }


def read_folders(tree: RawTree, label_of_id: Mapping[str, int]) -> Iterator[Entry]:
    """The entries of both lists.

    Args:
        label_of_id: ids from 1.

    Raises:
        DataError: another header, a wrong number of columns, an unknown id, a name of another split
            or listed twice, a face that is not in the folder of its id, or one in a folder that no
            list names.
    """
    listed = Listed("A file")
    paths: set[str] = set()
    expected = f"1 to {len(label_of_id)}"
    for split, table in _lists(tree).items():
        for line, (picture, identifier) in read_table(tree, table, _HEADER):
            label = line.look_up(identifier, label_of_id, "emotion id", expected)
            place = PurePosixPath(line.path(picture))
            if not picture.startswith(f"{split}_"):
                raise line.error(
                    "A file name does not say this split.", f"a name that begins with {split}_"
                )
            name = place.stem.removesuffix(_ALIGNED) + place.suffix
            path = f"{_top(tree)}{split}/{identifier}/{picture}"
            listed.add(name, line)
            if not tree.is_file(path):
                problem = "A face is not in the folder of its id."
                raise line.error(problem, f"it at {tree.where(path)}")
            paths.add(path)
            yield Entry(
                key=name,
                split=split,
                usage=split,
                label=label,
                path=path,
                note=_note_on(path),
                line=line,
            )
    _refuse_unlisted(tree, paths)


def _top(tree: RawTree) -> str:
    return next((top for top in _TOPS if tree.is_dir(f"{top}train")), _TOPS[0])


def _refuse_unlisted(tree: RawTree, listed: set[str]) -> None:
    found = (path for split in _SPLIT_LISTS for path in tree.walk(f"{_top(tree)}{split}"))
    unlisted = [path for path in found if path not in listed]
    if unlisted:
        raise DataError(
            f"{len(unlisted)} files are in no list.",
            where=tree.where(unlisted[0]),
            expected=f"every face in {' or '.join(_SPLIT_LISTS.values())}",
            remedy="fetch the data set again: its folders and lists do not belong together",
        )
