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
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, UNLABELLED, class_index
from fer_core.pixels.decode import UndecodableImage, decode_rgb
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.class_names import read_class_names
from fer_core.sources.catalogue.faces import UNDECODABLE, Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.label_files import Line, find_file, line_error, open_table, read_lines
from fer_core.sources.files.pairs import Pair, inner_folder, pair_up
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box, cut_face
from fer_core.sources.images.orientation import Stored

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "affectnet_yolo"
ADAPTER_VERSION = 2

_TOPS = ("", "YOLO_format/", "YOLO_format/YOLO_format/")
_NAMES = "data.yaml"
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
_ENDING = ".txt"
_LARGEST = 1 << 20  # bytes of a label file
_COLUMNS = "class cx cy width height"
_NO_FACE = "no face"
_CLASSES = ("classes.txt",)  # beside label files
_ROUNDING = 1e-3  # of a share


class _Face(NamedTuple):
    """A line of a label file.

    Attributes:
        label: the class, -1 for none of the seven.
        word: what it is counted under.
        shares: the box as shares of the photo.
        rounded: one of these was beyond 0 to 1.
    """

    label: int
    word: str
    shares: tuple[float, float, float, float]
    rounded: bool

    def box(self, height: int, width: int) -> Box:
        """The box in pixels of a photo of this size."""
        cx, cy, wide, tall = self.shares
        left, right = (round((cx + side * wide / 2) * width) for side in (-1, 1))
        top, bottom = (round((cy + side * tall / 2) * height) for side in (-1, 1))
        return top, left, bottom, right


class _Photo(NamedTuple):
    usage: str
    pair: Pair

    @property
    def split(self) -> str:
        return _SPLITS[self.usage]

    @property
    def path(self) -> str:
        """The same wherever `data.yaml` and the archives' own folders lie: it is part of the
        sample_id.
        """
        return f"{self.usage}/images/{self.pair.name}"


def recognise(tree: RawTree) -> bool:
    """True where `data.yaml` lies beside a split with labels."""
    names = next((top + _NAMES for top in _TOPS if tree.is_file(top + _NAMES)), None)
    return names is not None and any(
        tree.is_dir(_folders(tree, names, usage)[1]) for usage in _SPLITS
    )


def files(tree: RawTree) -> list[str]:
    """The names, and the images and labels of the splits that are there."""
    names = _names_file(tree)
    return [
        names,
        *[folder for usage in _usages(tree, names) for folder in _folders(tree, names, usage)],
    ]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Boxes per split and class, and photos without a box."""
    announced: Announced = {}
    names, photos = _contents(tree)
    for photo in photos:
        for word in [face.word for face in _faces(tree, photo.pair.label, names)] or [_NO_FACE]:
            tally(announced, photo.split, word)
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a box, or an exclusion for a photo without one; photos sorted by name
    within their split.
    """
    names, photos = _contents(tree)
    items = ordered_map(lambda photo: _items(tree, photo, names, source, options), photos, chunk=8)
    return (item for of_photo in items for item in of_photo)


def _items(
    tree: RawTree, photo: _Photo, names: list[str], source: str, options: CleanOptions
) -> list[Face | Exclusion]:
    """What a photo gives, in the order of its label file; it is decoded once."""
    key = f"{source}/{photo.path}"
    faces, where = _faces(tree, photo.pair.label, names), tree.where(photo.pair.image)

    def show() -> bytes:
        return tree.read(photo.pair.image)

    if not faces:
        return [Exclusion(key, "AffectNet: no box", photo.path, photo.split, _NO_FACE, show)]
    data = show()
    try:
        pixels, failure = decode_rgb(data, where, options.max_pixels), ""
    except UndecodableImage as error:
        pixels, failure = (
            np.zeros((0, 0, 3), np.uint8),
            f"{photo.path}: {error.problem} {error.found}",
        )
    items: list[Face | Exclusion] = []
    for number, face in enumerate(faces):
        sample_id = f"{key}#{number}" if len(faces) > 1 else key
        box = face.box(*pixels.shape[:2])
        usable = face.label >= 0 and not failure
        cut = (
            cut_face(
                data, Stored(pixels, 1), box, options.affectnet.pad_ratio, options.crops, where
            )
            if usable
            else None
        )
        if face.label < 0:
            items.append(
                Exclusion(
                    sample_id,
                    "AffectNet: class name is none of the seven",
                    face.word,
                    photo.split,
                    face.word,
                    show,
                )
            )
        elif failure:
            items.append(Exclusion(sample_id, UNDECODABLE, failure, photo.split, face.word))
        elif cut is None:
            items.append(
                Exclusion(
                    sample_id,
                    "AffectNet: box without area inside the photo",
                    str(box),
                    photo.split,
                    face.word,
                    show,
                )
            )
        else:
            items.append(
                Face(
                    sample_id=sample_id,
                    image=cut.image,
                    label=face.label,
                    split=photo.split,
                    usage=photo.usage,
                    group=key,
                    orig_image=photo.path,
                    face_id=number,
                    box=box,
                    note=cut.note
                    or ("share of a box beyond 0 to 1, taken for the edge" if face.rounded else ""),
                )
            )
    return items


def _names_file(tree: RawTree) -> str:
    return find_file(tree, [top + _NAMES for top in _TOPS], "list of class names")


def _folders(tree: RawTree, names: str, usage: str) -> tuple[str, str]:
    """Images and labels of a split, beside the list of names."""
    top = inner_folder(tree, f"{names.removesuffix(_NAMES)}{usage}")
    return inner_folder(tree, f"{top}/images"), inner_folder(tree, f"{top}/labels")


def _usages(tree: RawTree, names: str) -> list[str]:
    """The splits that are there.

    Raises:
        DataError: none is.
    """
    top = names.removesuffix(_NAMES)
    found = [usage for usage in _SPLITS if tree.is_dir(f"{top}{usage}")]
    if not found:
        raise DataError(
            "There is no split beside the list of class names.",
            where=tree.where(names),
            expected=" or ".join(f"{usage}/" for usage in _SPLITS) + " with images/ and labels/",
            remedy="unpack the data set completely",
        )
    return found


def _contents(tree: RawTree) -> tuple[list[str], list[_Photo]]:
    """Class names by id, and all photos.

    Raises:
        DataError: no or faulty names, a photo without label file or the reverse.
    """
    names = _names_file(tree)
    words = read_class_names(tree, names)
    photos = [
        _Photo(usage, pair)
        for usage in _usages(tree, names)
        for pair in pair_up(tree, *_folders(tree, names, usage), _ENDING, _CLASSES)
    ]
    return words, photos


def _faces(tree: RawTree, label: str, names: list[str]) -> list[_Face]:
    """The boxes of a label file; none where it is empty.

    Raises:
        DataError: too large, no text, a wrong number of columns, an unknown class id, or a share
            that is none; names file and line.
    """
    file = tree.where(label)
    with open_table(tree, label) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise DataError(
            "A label file is too large.",
            where=file,
            expected=f"at most {_LARGEST} bytes",
            remedy="look at it",
        )
    return [_face(line, file, names) for line in read_lines(tree, label)] if data.strip() else []


def _face(line: Line, file: Path, names: list[str]) -> _Face:
    columns = line.text.split()
    if len(columns) != 5:
        raise line_error(
            "A line has the wrong number of columns.", file, line, expected=f"5: {_COLUMNS}"
        )
    if columns[0] not in [str(identifier) for identifier in range(len(names))]:
        raise line_error(
            f"Unknown class id {columns[0]!r}.",
            file,
            line,
            expected=f"0 to {len(names) - 1}, as data.yaml names them",
        )
    try:
        cx, cy, width, height = (float(text) for text in columns[1:])
    except ValueError as error:
        raise line_error("A column is not a number.", file, line, expected=_COLUMNS) from error
    shares = (cx, cy, width, height)
    if not all(math.isfinite(share) and -_ROUNDING <= share <= 1 + _ROUNDING for share in shares):
        raise line_error(
            "A number is out of range.",
            file,
            line,
            expected="shares of the photo's width and height, 0 to 1",
        )
    cx, cy, width, height = (min(max(share, 0.0), 1.0) for share in shares)
    name = names[int(columns[0])]
    label = class_index(name)
    meaning = (UNLABELLED, name.lower()) if label is None else (label, CLASSES[label])
    return _Face(*meaning, (cx, cy, width, height), shares != (cx, cy, width, height))
