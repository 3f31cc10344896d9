"""RAF-DB's basic set as it goes round on Kaggle: `DATASET/{train,test}/{1..7}/` with the aligned
faces, and a list of each split.

The lists, `train_labels.csv` and `test_labels.csv`, have the columns `image,label`; ids are the
official ones, and each face lies in the folder of its id. Faces keep the names of the official list
(`train_00001.jpg` for `train_00001_aligned.jpg`), so that both copies give the same sample_ids.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from fer_core.base.errors import DataError
from fer_core.sources.families.raf import note_on
from fer_core.sources.files.label_files import Listed, read_table
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry

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
    for split, table in _LISTS.items():
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
                note=note_on(path),
                line=line,
            )
    _refuse_unlisted(tree, paths)


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
