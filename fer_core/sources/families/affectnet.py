"""What AffectNet's editions share: the ids of expressions, and folders where an image in one has a
label file of the same name in the other.
"""

from collections.abc import Collection
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.base.labels import INDEX
from fer_core.pixels.picture_files import IMAGE_SUFFIXES, UNREADABLE_SUFFIXES, suffix_of
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import FaceOrExclusion

__all__ = ["EXPRESSIONS", "LabelledImage", "inner_folder", "pair_up"]


_IMAGES = {"", *IMAGE_SUFFIXES, *UNREADABLE_SUFFIXES}
_SEVEN = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Angry")

EXPRESSIONS: dict[str, FaceOrExclusion] = {
    **{
        str(identifier): FaceOrExclusion(INDEX[name], name, "")
        for identifier, name in enumerate(_SEVEN)
    },
    "7": FaceOrExclusion(-1, "contempt", "AffectNet: contempt"),
    "8": FaceOrExclusion(-1, "none", "AffectNet: none of the expressions"),
    "9": FaceOrExclusion(-1, "uncertain", "AffectNet: the annotator was uncertain"),
    "10": FaceOrExclusion(-1, "no face", "AffectNet: no face"),
}
"""Meaning of each id, as the label files write it. Their order is not ours, and four of them are
none of the seven classes.
"""


class LabelledImage(NamedTuple):
    """An image and its label file: the image's name in its folder, and the paths of both in the
    data set.
    """

    name: str
    image: str
    label: str


def inner_folder(tree: RawTree, folder: str) -> str:
    """The folder, or the one of the same name inside it: many an archive holds the folder that it
    is named after.
    """
    nested = f"{folder}/{folder.rpartition('/')[2]}"
    return nested if tree.is_dir(nested) else folder


def pair_up(
    tree: RawTree, images: str, labels: str, ending: str, besides: Collection[str] = ()
) -> list[LabelledImage]:
    """Every image of `images` with its label file `<stem><ending>` of `labels`, sorted by name.

    Other files beside the images (caches, `meta.json`) are left alone, as are files of `labels`
    with another ending and those called as `besides` says. Upper and lower case may differ.

    Raises:
        DataError: images without label file or the reverse; names the first and says how many.
    """
    listed = [
        name
        for name in tree.names(labels)
        if name.lower().endswith(ending.lower()) and name not in besides
    ]
    exact = {name[: -len(ending)]: name for name in listed}
    alike = {stem.lower(): stem for stem in exact}
    pairs: list[LabelledImage] = []
    paired: set[str] = set()
    alone: list[str] = []
    names = [name for name in tree.names(images) if suffix_of(name) in _IMAGES]
    for name in names:
        stem = name.rpartition(".")[0] or name
        found = stem if stem in exact else alike.get(stem.lower())
        if found is None:
            alone.append(name)
        else:
            paired.add(found)
            pairs.append(LabelledImage(name, f"{images}/{name}", f"{labels}/{exact[found]}"))
    if alone:
        raise DataError(
            f"{len(alone)} of {len(names)} images have no label file.",
            where=tree.where(f"{images}/{alone[0]}"),
            found=f"no file {alone[0].rpartition('.')[0] or alone[0]}{ending} in "
            f"{tree.where(labels)}",
            expected="one for each image",
            remedy="unpack both folders completely, or remove the images that have no label",
        )
    if left := sorted(set(exact) - paired):
        raise DataError(
            f"{len(left)} of {len(exact)} label files have no image.",
            where=tree.where(f"{labels}/{exact[left[0]]}"),
            found=f"no image of the name {left[0]!r} in {tree.where(images)}",
            expected="one for each label file",
            remedy="unpack both folders completely, or remove the label files that have no image",
        )
    return pairs
