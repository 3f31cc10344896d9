"""AffectNet in YOLO format: `{train,valid,test}/{images,labels}/` and `data.yaml`; each box is cut
out and encoded again.

A line of a label file is `class cx cy width height`: centre and size of a box as shares of the
photo's size. What a class id means is said by the `names` of data.yaml alone; its paths are not
followed, nor is `labels/classes.txt`, which annotation programs leave there. Contempt and other
names are excluded and counted. A label file without a line says that there is no face. Shares that
exceed 1 by rounding are taken for 1. Boxes are of the upright photo, as programs that train on this
format read it. The splits are those of the folders, valid is "val".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fer_core.base.labels import UNLABELLED, class_index
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.options import CleanOptions, CropOptions
from fer_core.sources.families.affectnet import LabelledImage
from fer_core.sources.families.yolo import (
    NAMES,
    SPLITS,
    TOPS,
    box_of,
    folders,
    lines_of,
    pairs,
    top_of,
    usages,
)
from fer_core.sources.files.class_names import read_class_names
from fer_core.sources.files.tree import RawTree
from fer_core.sources.images.crops import Box
from fer_core.sources.images.photos import Photo
from fer_core.sources.reading.photos import BoxedEntry, PhotoReader

__all__ = ["READER"]


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
        top = next((top for top in TOPS if tree.is_file(top + NAMES)), None)
        return top is not None and any(
            tree.is_dir(folders(tree, top, usage)[1]) for usage in SPLITS
        )

    def files(self, tree: RawTree) -> list[str]:
        top = top_of(tree)
        found = [folder for usage in usages(tree, top) for folder in folders(tree, top, usage)]
        return [top + NAMES, *found]

    def cropping(self, options: CleanOptions) -> tuple[float, CropOptions]:
        return options.affectnet.pad_ratio, options.crops

    def decode(self, data: bytes, where: object, max_pixels: int) -> Photo:
        return Photo(decode_rgb(data, where, max_pixels), 1)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[BoxedEntry]:
        top = top_of(tree)
        names = read_class_names(tree, top + NAMES)
        for usage in usages(tree, top):
            for pair in pairs(tree, top, usage):
                yield from _entries_of(tree, usage, pair, names)


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
        split=SPLITS[usage],
        usage=usage,
        word="no face",
        reason="AffectNet: no box",
        path=pair.image,
        photo=photo,
    )
    if not (lines := lines_of(tree, pair.label)):
        yield none
        return
    for number, line in enumerate(lines):
        name, shares, rounded = box_of(line, names)
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


READER = _AffectnetYolo()
