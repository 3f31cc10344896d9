"""RAF-DB, basic subset: `EmoLabel/list_patition_label.txt` (sic) with `train_00001.jpg 5`, pictures
under `Image/`.

Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving learning for expression
recognition in the wild", 2017. Aligned faces are preferred (`Image/aligned`, which the archive
nests once more); originals are used where there are none. The copy of Kaggle with a folder for each
id is read too.
"""

from collections.abc import Iterable, Iterator

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
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry

__all__ = ["READER"]

_ORDER = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")
_LABEL_OF_ID = {str(number): INDEX[name] for number, name in enumerate(_ORDER, 1)}


class _RafdbBasic(RafReader):
    layout = "rafdb_basic"
    version = 2
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


READER = _RafdbBasic()
