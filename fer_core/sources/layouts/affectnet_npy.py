"""AffectNet, release of 2021: `{train_set,val_set}/images/ID.jpg`, cropped already, with the
expression in `annotations/ID_exp.npy`.

An annotation is a numpy array without dimensions that holds the id as text, 0 to 7; those of
valence, arousal and landmarks lie beside it and are not read. As in the first release
(`affectnet.py`) the validation set is what papers report, so its split is "test" here; subjects are
not known: each photo is a group of its own.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.logs import progress_off
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.affectnet_expressions import EXPRESSIONS, Expression
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.npy_scalar import read_scalar
from fer_core.sources.files.pairs import Pair, inner_folder, pair_up
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "affectnet_npy"
ADAPTER_VERSION = 1

_SPLITS = {"train_set": "train", "val_set": "test"}
_ENDING = "_exp.npy"
_RELEASED = frozenset("01234567")


class _Entry(NamedTuple):
    usage: str
    pair: Pair

    @property
    def split(self) -> str:
        return _SPLITS[self.usage]


def recognise(tree: RawTree) -> bool:
    """True where a set of the release lies in the folder, with images and annotations."""
    return any(all(map(tree.is_dir, _folders(tree, usage))) for usage in _SPLITS)


def files(tree: RawTree) -> list[str]:
    """Images and annotations of the sets that are there."""
    return [folder for usage in _sets(tree) for folder in _folders(tree, usage)]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Annotations per split and expression; reads every one of them."""
    announced: Announced = {}
    entries = _entries(tree)
    read = ordered_map(lambda entry: _expression(tree, entry), entries, chunk=256)
    bar = tqdm(
        read,
        total=len(entries),
        desc="annotations",
        unit="file",
        leave=False,
        disable=progress_off(),
    )
    for entry, expression in zip(entries, bar, strict=True):
        tally(announced, entry.split, expression.word)
    check_official_counts("affectnet", announced, tree.place)
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion an image, sorted by name within its set; the bytes are the original
    file's.
    """

    def item(entry: _Entry) -> Face | Exclusion:
        expression = _expression(tree, entry)
        photo = f"{entry.usage}/images/{entry.pair.name}"
        key = f"{source}/{photo}"
        if expression.reason:
            show = partial(tree.read, entry.pair.image)
            return Exclusion(key, expression.reason, photo, entry.split, expression.word, show)
        return Face(
            key, tree.read(entry.pair.image), expression.label, entry.split, entry.usage, key
        )

    return ordered_map(item, _entries(tree), chunk=16)


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


def _entries(tree: RawTree) -> list[_Entry]:
    """Images with their annotations.

    Raises:
        DataError: an image without annotation or the reverse.
    """
    return [
        _Entry(usage, pair)
        for usage in _sets(tree)
        for pair in pair_up(tree, *_folders(tree, usage), _ENDING)
    ]


def _expression(tree: RawTree, entry: _Entry) -> Expression:
    """What an annotation says.

    Raises:
        DataError: it is no array of one text or number, or another id; names the file.
    """
    identifier = read_scalar(tree, entry.pair.label)
    if identifier not in _RELEASED:
        raise DataError(
            "Unknown expression id.",
            where=tree.where(entry.pair.label),
            found=repr(identifier[:40]),
            expected="0 to 7",
            remedy="fetch the file again",
        )
    return EXPRESSIONS[identifier]
