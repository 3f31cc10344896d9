"""AffectNet, release of 2021: `{train_set,val_set}/images/ID.jpg`, cropped already, with the
expression in `annotations/ID_exp.npy`.

An annotation is a numpy array without dimensions that holds the id as text, 0 to 7; those of
valence, arousal and landmarks lie beside it and are not read. As in the first release
(`affectnet.py`) the validation set is what papers report, so its split is "test" here; subjects are
not known: each photo is a group of its own.
"""

from collections.abc import Iterator

from fer_core.base.errors import DataError
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.affectnet import EXPRESSIONS, LabelledImage, inner_folder, pair_up
from fer_core.sources.files.npy_scalar import read_scalar
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader

__all__ = ["READER"]

_SPLITS = {"train_set": "train", "val_set": "test"}
_RELEASED = frozenset("01234567")


class _AffectnetNpy(Reader):
    layout = "affectnet_npy"

    def recognise(self, tree: RawTree) -> bool:
        return any(all(map(tree.is_dir, _folders(tree, usage))) for usage in _SPLITS)

    def files(self, tree: RawTree) -> list[str]:
        return [folder for usage in _sets(tree) for folder in _folders(tree, usage)]

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        check_official_counts("affectnet", counts, tree.place)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        pairs = [
            (usage, pair)
            for usage in _sets(tree)
            for pair in pair_up(tree, *_folders(tree, usage), "_exp.npy")
        ]
        return ordered_map(lambda of_set: _entry(tree, *of_set), pairs, chunk=64)


def _sets(tree: RawTree) -> list[str]:
    """The sets that are there.

    Raises:
        DataError: none is.
    """
    found = [usage for usage in _SPLITS if tree.is_dir(usage)]
    if not found:
        raise DataError(
            "The sets of AffectNet's release of 2021 are missing.",
            where=tree.place,
            expected=" or ".join(f"{usage}/ with images/ and annotations/" for usage in _SPLITS),
            remedy="give the folder that holds them: `fer data add NAME PATH`",
        )
    return found


def _folders(tree: RawTree, usage: str) -> tuple[str, str]:
    """Images and annotations of a set."""
    top = inner_folder(tree, usage)
    return inner_folder(tree, f"{top}/images"), inner_folder(tree, f"{top}/annotations")


def _entry(tree: RawTree, usage: str, pair: LabelledImage) -> Entry:
    """What an annotation says.

    Raises:
        DataError: it is no array of one text or number, or another id; names the file.
    """
    identifier = read_scalar(tree, pair.label)
    if identifier not in _RELEASED:
        raise DataError(
            "Unknown expression id.",
            where=tree.where(pair.label),
            found=repr(identifier[:40]),
            expected="0 to 7",
            remedy="fetch the file again",
        )
    return Entry(
        key=f"{usage}/images/{pair.name}",
        split=_SPLITS[usage],
        usage=usage,
        path=pair.image,
        **EXPRESSIONS[identifier]._asdict(),
    )


READER = _AffectnetNpy()
