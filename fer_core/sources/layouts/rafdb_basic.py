"""RAF-DB, basic subset: `EmoLabel/list_patition_label.txt` (sic) with `train_00001.jpg 5`, pictures
under `Image/`.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", 2017. Aligned faces are preferred (`Image/aligned`, which the archive
nests once more); originals are used where there are none. The copy of Kaggle with a folder for each
id is read too.
"""

from collections.abc import Iterable, Iterator, Mapping

from fer_core.base.errors import DataError
from fer_core.base.labels import INDEX
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.raf import (
    RafReader,
    folder_files,
    identifiers,
    is_in_folders,
    list_places,
    read_folders,
    read_list,
)
from fer_core.sources.files.label_files import read_lines
from fer_core.sources.files.subgroups import SUBGROUPS, subgroup_text
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry

__all__ = ["READER"]

_ORDER = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")
_ANNOTATIONS = ("Annotation/manual", "basic/Annotation/manual")
_ATTRIBUTES = "_manu_attri.txt"
_SUBGROUPS = {
    "gender": ("male", "female", "unsure"),
    "race": ("Caucasian", "African-American", "Asian"),
    "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}
"""Attribute and what its numbers mean, in the order of the annotations' last lines."""
_LABEL_OF_ID = {str(number): INDEX[name] for number, name in enumerate(_ORDER, 1)}


class _RafdbBasic(RafReader):
    layout = "rafdb_basic"
    version = 3
    places = list_places("basic")

    def recognise(self, tree: RawTree) -> bool:
        labels = self.labels_in(tree)
        if labels is None:
            return is_in_folders(tree)
        return max(identifiers(tree, labels), default=0) <= len(_LABEL_OF_ID)

    def files(self, tree: RawTree) -> list[str]:
        return folder_files(tree) if is_in_folders(tree) else super().files(tree)

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        if is_in_folders(tree):
            return read_folders(tree, _LABEL_OF_ID)
        remedy = (
            "correct the line; ids up to 11 are the compound set's: `fer data add "
            "rafdb_compound_mapped PATH`"
        )
        return (
            Entry(key=name, split=split, usage=split, label=label, line=line)
            for line, name, split, label in read_list(
                tree, self.files(tree)[0], _LABEL_OF_ID, remedy
            )
        )

    def located(
        self, tree: RawTree, entries: Iterable[Entry], options: CleanOptions
    ) -> Iterable[Entry]:
        return entries if is_in_folders(tree) else super().located(tree, entries, options)

    def covered(self, tree: RawTree) -> list[str]:
        folder = _attributes_in(tree)
        return [*super().covered(tree), *([folder] if folder else [])]

    def subgroups(self, tree: RawTree) -> Mapping[str, str]:
        """Of the official annotations, `Annotation/manual/train_00001_manu_attri.txt`: five
        landmarks, then the numbers of gender, race and age. A table beside the data set counts for
        more.
        """
        folder = _attributes_in(tree)
        if not folder or tree.is_file(SUBGROUPS):
            return super().subgroups(tree)
        names = [name for name in tree.names(folder) if name.endswith(_ATTRIBUTES)]
        return {
            f"{name.removesuffix(_ATTRIBUTES)}.jpg": _recorded(tree, f"{folder}/{name}")
            for name in names
        }


def _attributes_in(tree: RawTree) -> str:
    return next((name for name in _ANNOTATIONS if tree.is_dir(name)), "")


def _recorded(tree: RawTree, name: str) -> str:
    """Subgroups of one face; an "unsure" gender is recorded as such.

    Raises:
        DataError: not five landmarks and three known numbers.
    """
    lines = list(read_lines(tree, name))
    if len(lines) != 5 + len(_SUBGROUPS):
        raise DataError(
            "This is no annotation of a face.",
            where=tree.where(name),
            found=f"{len(lines)} lines",
            expected="five landmarks, then gender, race and age",
        )
    values = {
        attribute: line.look_up(
            line.text.strip(),
            {str(number): word for number, word in enumerate(words)},
            attribute,
            f"0 to {len(words) - 1}",
        )
        for line, (attribute, words) in zip(lines[5:], _SUBGROUPS.items(), strict=True)
    }
    return subgroup_text(values)


READER = _RafdbBasic()
