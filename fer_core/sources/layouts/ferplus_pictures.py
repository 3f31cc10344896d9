"""FERPlus as its authors' program writes it: `FER2013{Train,Valid,Test}/` with pictures and
`label.csv`, ten votes a picture.

Lines of `label.csv` are `fer0000000.png,"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0`: name, box (the whole
picture) and the votes in the order of `families.fer2013.WORDS`; there is no header. The splits are
those of the folders, Valid is "val". Rows of FERPlus that name no picture are not in these lists.
"""

from collections.abc import Iterable, Iterator

from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.fer2013 import WORDS, decide
from fer_core.sources.files.label_files import Listed, find_file, read_lines
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader, settle_missing

__all__ = ["READER"]

_SPLITS = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
_TOPS = ("", "data/", "FERPlus/data/", "FERPlus-master/data/")
_LIST = "label.csv"


class _FerplusPictures(Reader):
    layout = "ferplus_pictures"

    def recognise(self, tree: RawTree) -> bool:
        return any(tree.is_file(f"{top}{usage}/{_LIST}") for top in _TOPS for usage in _SPLITS)

    def files(self, tree: RawTree) -> list[str]:
        top = next((top for top in _TOPS if any(tree.is_dir(top + usage) for usage in _SPLITS)), "")
        found = [top + usage for usage in _SPLITS if tree.is_dir(top + usage)]
        for folder in found or list(_SPLITS):
            find_file(tree, [f"{folder}/{_LIST}"], "FERPlus list of votes")
        return found

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        listed = Listed("A picture")
        for folder in self.files(tree):
            usage = folder.rpartition("/")[2]
            for line in read_lines(tree, f"{folder}/{_LIST}"):
                name, _, *counts = line.cells(2 + len(WORDS), f"name,box,{','.join(WORDS)}")
                # the key is the same wherever the folders lie: it is part of the sample_id
                key = f"{usage}/{line.path(name)}"
                listed.add(key, line)
                yield Entry(
                    key=key,
                    split=_SPLITS[usage],
                    usage=usage,
                    path=f"{folder}/{name}",
                    detail=line.text,
                    line=line,
                    **decide(counts, options.ferplus.mode, line)._asdict(),
                )

    def located(
        self, tree: RawTree, entries: Iterable[Entry], options: CleanOptions
    ) -> list[Entry]:
        return settle_missing(
            tree,
            entries,
            options,
            what="pictures",
            expected="each picture beside its list",
            remedy="run the authors' generate_training_data.py; or give the folder of "
            "fer2013new.csv and fer2013.csv instead",
        )


READER = _FerplusPictures()
