"""RAF-DB's basic set as it goes round on Kaggle: `DATASET/{train,test}/{1..7}/` with the aligned
faces, and a list of each split.

The lists, `train_labels.csv` and `test_labels.csv`, have the columns `image,label`; ids are the
official ones, and each face lies in the folder of its id. Faces keep the names of the official list
(`train_00001.jpg` for `train_00001_aligned.jpg`), so that both copies give the same sample_ids.
"""

from pathlib import PurePosixPath

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import line_error, read_lines, relative_path
from fer_core.sources.files.raf_lists import Entry
from fer_core.sources.files.tree import RawTree

__all__ = ["folder_files", "is_in_folders", "read_folders"]

_LISTS = {"train": "train_labels.csv", "test": "test_labels.csv"}
_TOPS = ("DATASET/", "")
_HEADER = ["image", "label"]
_ALIGNED = "_aligned"


def is_in_folders(tree: RawTree) -> bool:
    """True where both lists and folders that bear ids are there."""
    return all(tree.is_file(name) for name in _LISTS.values()) and tree.is_dir(
        f"{_top(tree)}train/1"
    )


def folder_files(tree: RawTree) -> list[str]:
    """Both lists and the folders of the splits."""
    return [*_LISTS.values(), *(f"{_top(tree)}{split}" for split in _LISTS)]


def read_folders(tree: RawTree, highest: int) -> tuple[list[Entry], dict[str, str]]:
    """The entries of both lists, and where each face lies, by name.

    Args:
        highest: ids go from 1 to this.

    Raises:
        DataError: another header, a wrong number of columns, an unknown id, a name of another split
            or listed twice, a face that is not in the folder of its id, or one in a folder that no
            list names.
    """
    entries: list[Entry] = []
    paths: dict[str, str] = {}
    known = {str(identifier): identifier for identifier in range(1, highest + 1)}
    for split, table in _LISTS.items():
        file = tree.where(table)
        for index, line in enumerate(read_lines(tree, table)):
            columns = [column.strip() for column in line.text.split(",")]
            if index == 0:
                if columns != _HEADER:
                    raise line_error(
                        "The list has another header.", file, line, expected=",".join(_HEADER)
                    )
                continue
            if len(columns) != len(_HEADER):
                raise line_error(
                    "A line has the wrong number of columns.",
                    file,
                    line,
                    expected=f"2: {','.join(_HEADER)}",
                )
            picture, identifier = relative_path(columns[0], file, line), columns[1]
            if identifier not in known:
                raise line_error(
                    f"Unknown emotion id {identifier!r}.", file, line, expected=f"1 to {highest}"
                )
            if not picture.startswith(f"{split}_"):
                raise line_error(
                    "A file name does not say this split.",
                    file,
                    line,
                    expected=f"a name that begins with {split}_",
                )
            place = PurePosixPath(picture)
            name = place.stem.removesuffix(_ALIGNED) + place.suffix
            path = f"{_top(tree)}{split}/{identifier}/{picture}"
            if name in paths:
                raise line_error(
                    "A file is listed twice.", file, line, expected="one line for each file"
                )
            if not tree.is_file(path):
                raise line_error(
                    "A face is not in the folder of its id.",
                    file,
                    line,
                    expected=f"it at {tree.where(path)}",
                )
            paths[name] = path
            entries.append(Entry(name, known[identifier], split, line))
    _refuse_unlisted(tree, set(paths.values()))
    return entries, paths


def _top(tree: RawTree) -> str:
    return next((top for top in _TOPS if tree.is_dir(f"{top}train")), _TOPS[0])


def _refuse_unlisted(tree: RawTree, listed: set[str]) -> None:
    found = (path for split in _LISTS for path in tree.walk(f"{_top(tree)}{split}"))
    unlisted = [path for path in found if path not in listed]
    if unlisted:
        raise DataError(
            f"{len(unlisted)} files are in no list.",
            where=tree.where(unlisted[0]),
            expected=f"every face in {' or '.join(_LISTS.values())}",
            remedy="fetch the data set again: its folders and lists do not belong together",
        )
