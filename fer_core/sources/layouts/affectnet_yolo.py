"""AffectNet in YOLO format: `{train,valid,test}/{images,labels}/` and `data.yaml`; each box is cut
out and encoded again.

A line of a label file is `class cx cy width height`: centre and size of a box as shares of the
photo's size. What a class id means is said by the `names` of data.yaml alone; its paths are not
followed, nor is `labels/classes.txt`, which annotation programs leave there. Contempt and other
names are excluded and counted. A label file without a line says that there is no face. Shares that
exceed 1 by rounding are taken for 1. Boxes are of the upright photo, as programs that train on this
format read it. The splits are those of the folders, valid is "val".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fer_core.base.errors import DataError
from fer_core.base.labels import UNLABELLED, class_index
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.families.affectnet import LabelledImage, inner_folder, pair_up
from fer_core.sources.files.class_names import read_class_names
from fer_core.sources.files.label_files import Line, find_file, read_lines, read_whole
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box
from fer_core.sources.images.photos import Photo
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader

__all__ = ["READER"]

_TOPS = ("", "YOLO_format/", "YOLO_format/YOLO_format/")
_NAMES = "data.yaml"
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
_ENDING = ".txt"
_BESIDES = ("classes.txt",)  # beside label files
_LARGEST = 1 << 20  # bytes of a label file
_COLUMNS = "class cx cy width height"
_ROUNDING = 1e-3  # of a share


@dataclass(frozen=True, kw_only=True)
class _SharesEntry(BoxedEntry):
    """A face whose box is given in shares of the photo: cx, cy, width, height."""

    shares: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def box_in(self, height: int, width: int) -> Box:
        cx, cy, wide, tall = self.shares
        left, right = (round((cx + side * wide / 2) * width) for side in (-1, 1))
        top, bottom = (round((cy + side * tall / 2) * height) for side in (-1, 1))
        return top, left, bottom, right


class _AffectnetYolo(PhotoReader):
    layout = "affectnet_yolo"
    version = 2
    name = "AffectNet"
    chunk = 8

    def recognise(self, tree: RawTree) -> bool:
        """True where `data.yaml` lies beside a split with labels."""
        top = next((top for top in _TOPS if tree.is_file(top + _NAMES)), None)
        return top is not None and any(
            tree.is_dir(_folders(tree, top, usage)[1]) for usage in _SPLITS
        )

    def files(self, tree: RawTree) -> list[str]:
        top = _top(tree)
        folders = [folder for usage in _usages(tree, top) for folder in _folders(tree, top, usage)]
        return [top + _NAMES, *folders]

    def cropping(self, options: CleanOptions) -> tuple[float, CropOptions]:
        return options.affectnet.pad_ratio, options.crops

    def decode(self, data: bytes, where: object, max_pixels: int) -> Photo:
        return Photo(decode_rgb(data, where, max_pixels), 1)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[BoxedEntry]:
        top = _top(tree)
        names = read_class_names(tree, top + _NAMES)
        for usage in _usages(tree, top):
            for pair in pair_up(tree, *_folders(tree, top, usage), _ENDING, _BESIDES):
                yield from _entries_of(tree, usage, pair, names)


def _top(tree: RawTree) -> str:
    """The folder of the class names and splits.

    Raises:
        DataError: there are no names.
    """
    names = find_file(tree, [top + _NAMES for top in _TOPS], "list of class names")
    return names.removesuffix(_NAMES)


def _folders(tree: RawTree, top: str, usage: str) -> tuple[str, str]:
    """Images and labels of a split."""
    split = inner_folder(tree, f"{top}{usage}")
    return inner_folder(tree, f"{split}/images"), inner_folder(tree, f"{split}/labels")


def _usages(tree: RawTree, top: str) -> list[str]:
    """The splits that are there.

    Raises:
        DataError: none is.
    """
    found = [usage for usage in _SPLITS if tree.is_dir(f"{top}{usage}")]
    if not found:
        raise DataError(
            "There is no split beside the list of class names.",
            where=tree.where(top + _NAMES),
            expected=" or ".join(f"{usage}/" for usage in _SPLITS) + " with images/ and labels/",
            remedy="unpack the data set completely",
        )
    return found


def _entries_of(
    tree: RawTree, usage: str, pair: LabelledImage, names: list[str]
) -> Iterator[BoxedEntry]:
    """The boxes of a photo, or one entry that says that it has none.

    Raises:
        DataError: its label file is too large, no text, or has a faulty line.
    """
    # the same wherever `data.yaml` and the archives' own folders lie: it is part of the sample_id
    photo = f"{usage}/images/{pair.name}"
    none = _SharesEntry(
        key=photo,
        split=_SPLITS[usage],
        usage=usage,
        word="no face",
        reason="AffectNet: no box",
        path=pair.image,
        photo=photo,
    )
    if not read_whole(tree, pair.label, _LARGEST).strip():
        yield none
        return
    lines = list(read_lines(tree, pair.label))
    for number, line in enumerate(lines):
        name, shares, rounded = _box(line, names)
        label = class_index(name)
        yield replace(
            none,
            key=f"{photo}#{number}" if len(lines) > 1 else photo,
            label=UNLABELLED if label is None else label,
            word=name.lower() if label is None else "",
            reason="AffectNet: class name is none of the seven" if label is None else "",
            detail=name.lower(),
            group=photo,
            note="share of a box beyond 0 to 1, taken for the edge" if rounded else "",
            line=line,
            face_id=number,
            shares=shares,
        )


def _box(line: Line, names: list[str]) -> tuple[str, tuple[float, float, float, float], bool]:
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


READER = _AffectnetYolo()
