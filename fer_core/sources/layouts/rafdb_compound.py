"""RAF-DB, compound subset: the same list as the basic one, with ids 1 to 11 for two emotions at
once.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", 2017. `clean.rafdb_compound.mapping` says which of the seven classes each
id becomes. Pictures lie as in the basic set.
"""

from collections.abc import Iterator

from fer_core.base.labels import INDEX
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import EXCLUDE, CleanOptions
from fer_core.sources.files.label_files import line_error
from fer_core.sources.files.raf_lists import (
    Entry,
    identifiers,
    list_and_images,
    list_places,
    locate,
    note_on,
    read_list,
)
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "NAME_OF_ID", "announce", "files", "recognise", "scan"]

LAYOUT = "rafdb_compound"
ADAPTER_VERSION = 1

NAME_OF_ID = {
    1: "Happily Surprised",
    2: "Happily Disgusted",
    3: "Sadly Fearful",
    4: "Sadly Angry",
    5: "Sadly Surprised",
    6: "Sadly Disgusted",
    7: "Fearfully Angry",
    8: "Fearfully Surprised",
    9: "Angrily Surprised",
    10: "Angrily Disgusted",
    11: "Disgustedly Surprised",
}

_LISTS = list_places("compound")
_BASIC = set(range(1, 8))


def recognise(tree: RawTree) -> bool:
    """True where a label list lies in the folder that has ids above the basic set's, or in a folder
    named after this set.

    Raises:
        DataError: the list is empty or no text.
    """
    labels = next((name for name in _LISTS if tree.is_file(name)), None)
    return labels is not None and (
        labels.startswith("compound/") or max(identifiers(tree, labels), default=0) > max(_BASIC)
    )


def files(tree: RawTree) -> list[str]:
    """The label list and the pictures."""
    return list_and_images(tree, _LISTS)


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per split and class; those that the mapping excludes under the compound's name.

    Raises:
        DataError: a faulty line, the list of the basic set, or a full list whose ids are in another
            order than the official one's.
    """
    labels = files(tree)[0]
    announced: Announced = {}
    compounds: Announced = {}
    for entry in _entries(tree, labels):
        tally(announced, entry.split, _word(entry, options))
        tally(compounds, entry.split, NAME_OF_ID[entry.identifier])
    check_official_counts(LAYOUT, compounds, tree.where(labels))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face or exclusion a line, in the order of the list; the bytes are the original file's."""
    labels = files(tree)[0]
    entries = _entries(tree, labels)
    paths = locate(tree, labels, {entry.name: entry.line for entry in entries})

    def item(entry: Entry) -> Face | Exclusion:
        key, path, word = f"{source}/{entry.name}", paths[entry.name], _word(entry, options)
        if word not in INDEX:
            reason = "RAF-DB compound: emotion excluded by the mapping"
            return Exclusion(key, reason, word, entry.split, word, lambda: tree.read(path))
        return Face(
            key, tree.read(path), INDEX[word], entry.split, entry.split, key, note=note_on(path)
        )

    return ordered_map(item, entries, chunk=16)


def _word(entry: Entry, options: CleanOptions) -> str:
    """The class of an entry; the name of its compound where the mapping excludes it."""
    target = options.rafdb_compound.mapping[entry.identifier]
    return NAME_OF_ID[entry.identifier] if target == EXCLUDE else target


def _entries(tree: RawTree, labels: str) -> list[Entry]:
    """The checked list.

    Raises:
        DataError: as `read_list`, and for the list of the basic set: all of 1 to 7 and nothing
            above.
    """
    entries = read_list(
        tree, labels, len(NAME_OF_ID), "mend the line, or fetch the label file again"
    )
    if {entry.identifier for entry in entries} == _BASIC:
        last = next(entry for entry in entries if entry.identifier == max(_BASIC))
        raise line_error(
            "This is the list of the basic set: its ids are 1 to 7.",
            tree.where(labels),
            last.line,
            expected="ids of the compound set, 1 to 11",
            remedy="give the folder of the compound set, or `fer data add rafdb_basic PATH` for "
            "this one",
        )
    return entries
