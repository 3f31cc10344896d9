"""RAF-DB, basic subset: `EmoLabel/list_patition_label.txt` (sic) with `train_00001.jpg 5`, pictures
under `Image/`.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", 2017. Aligned faces are preferred (`Image/aligned`, which the archive
nests once more); originals serve where there are none. The copy with a folder for each id
(`raf_folders.py`) is read too.
"""

from collections.abc import Iterator

from fer_core.base.labels import CLASSES, INDEX
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.raf_folders import folder_files, is_in_folders, read_folders
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

__all__ = ["ADAPTER_VERSION", "LABEL_OF_ID", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "rafdb_basic"
ADAPTER_VERSION = 2

LABEL_OF_ID = {
    1: INDEX["Surprise"],
    2: INDEX["Fear"],
    3: INDEX["Disgust"],
    4: INDEX["Happy"],
    5: INDEX["Sad"],
    6: INDEX["Angry"],
    7: INDEX["Neutral"],
}

_LISTS = list_places("basic")


def recognise(tree: RawTree) -> bool:
    """True where a label list lies in the folder that has no id of the compound set's, or lists and
    folders of the ids.

    Raises:
        DataError: the list is empty or no text.
    """
    labels = next((name for name in _LISTS if tree.is_file(name)), None)
    if labels is None:
        return is_in_folders(tree)
    return max(identifiers(tree, labels), default=0) <= len(LABEL_OF_ID)


def files(tree: RawTree) -> list[str]:
    """The label list, or lists, and the pictures."""
    return folder_files(tree) if is_in_folders(tree) else list_and_images(tree, _LISTS)


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Listed faces per split and class.

    Raises:
        DataError: a faulty line, or a full list whose classes are in another order than the
            official one's.
    """
    labels = files(tree)[0]
    announced: Announced = {}
    for entry in _entries(tree)[0]:
        tally(announced, entry.split, CLASSES[LABEL_OF_ID[entry.identifier]])
    check_official_counts(LAYOUT, announced, tree.where(labels))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face a line, in the order of the list; the bytes are the original file's."""
    entries, paths = _entries(tree)
    paths = paths or locate(tree, files(tree)[0], {entry.name: entry.line for entry in entries})

    def face(entry: Entry) -> Face:
        key, path = f"{source}/{entry.name}", paths[entry.name]
        return Face(
            key,
            tree.read(path),
            LABEL_OF_ID[entry.identifier],
            entry.split,
            entry.split,
            key,
            note=note_on(path),
        )

    return ordered_map(face, entries, chunk=16)


def _entries(tree: RawTree) -> tuple[list[Entry], dict[str, str]]:
    """The checked entries, and the paths of the faces where the lists tell them.

    Raises:
        DataError: as `read_list` and `read_folders`.
    """
    if is_in_folders(tree):
        return read_folders(tree, len(LABEL_OF_ID))
    other = (
        "mend the line; ids up to 11 are the compound set's: `fer data add rafdb_compound_mapped "
        "PATH`"
    )
    return read_list(tree, files(tree)[0], len(LABEL_OF_ID), other), {}
