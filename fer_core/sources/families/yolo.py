"""Detection data in YOLO format: `{train,valid,test}/{images,labels}/` and `data.yaml`, whose
`names` say what a class id means.
"""

import math

from fer_core.base.errors import DataError
from fer_core.sources.families.affectnet import LabelledImage, inner_folder, pair_up
from fer_core.sources.files.label_files import Line, find_file, read_lines, read_whole
from fer_core.sources.files.tree import RawTree

__all__ = ["NAMES", "SPLITS", "TOPS", "box_of", "folders", "lines_of", "pairs", "top_of", "usages"]

TOPS = ("", "YOLO_format/", "YOLO_format/YOLO_format/")
NAMES = "data.yaml"
SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
_ENDING = ".txt"
_BESIDES = ("classes.txt",)  # beside label files
_LARGEST = 1 << 20  # bytes of a label file
_COLUMNS = "class cx cy width height"
_ROUNDING = 1e-3  # of a share


def top_of(tree: RawTree) -> str:
    """The folder of the class names and splits.

    Raises:
        DataError: there are no names.
    """
    names = find_file(tree, [top + NAMES for top in TOPS], "list of class names")
    return names.removesuffix(NAMES)


def folders(tree: RawTree, top: str, usage: str) -> tuple[str, str]:
    """Images and labels of a split."""
    split = inner_folder(tree, f"{top}{usage}")
    return inner_folder(tree, f"{split}/images"), inner_folder(tree, f"{split}/labels")


def usages(tree: RawTree, top: str) -> list[str]:
    """The splits that are there.

    Raises:
        DataError: none is.
    """
    found = [usage for usage in SPLITS if tree.is_dir(f"{top}{usage}")]
    if not found:
        raise DataError(
            "There is no split beside the list of class names.",
            where=tree.where(top + NAMES),
            expected=" or ".join(f"{usage}/" for usage in SPLITS) + " with images/ and labels/",
            remedy="unpack the data set completely",
        )
    return found


def pairs(tree: RawTree, top: str, usage: str) -> list[LabelledImage]:
    """Every image of a split with its label file."""
    return pair_up(tree, *folders(tree, top, usage), _ENDING, _BESIDES)


def lines_of(tree: RawTree, label: str) -> list[Line]:
    """Lines of a label file; none where it says that there is no face."""
    if not read_whole(tree, label, _LARGEST).strip():
        return []
    return list(read_lines(tree, label))


def box_of(line: Line, names: list[str]) -> tuple[str, tuple[float, float, float, float], bool]:
    """Class name and box of a line, and whether one of its shares was beyond 0 to 1.

    Raises:
        DataError: a wrong number of columns, an unknown class id, or a share that is none.
    """
    identifier, *columns = line.words(5, _COLUMNS)
    known = {str(number): name for number, name in enumerate(names)}
    name = line.look_up(
        identifier, known, "class id", f"0 to {len(names) - 1}, as data.yaml names them"
    )
    try:
        given = [float(text) for text in columns]
    except ValueError as error:
        raise line.error("A column is not a number.", _COLUMNS) from error
    if not all(math.isfinite(share) and -_ROUNDING <= share <= 1 + _ROUNDING for share in given):
        expected = "shares of the photo's width and height, 0 to 1"
        raise line.error("A number is out of range.", expected)
    cx, cy, width, height = shares = [min(max(share, 0.0), 1.0) for share in given]
    return name, (cx, cy, width, height), shares != given
