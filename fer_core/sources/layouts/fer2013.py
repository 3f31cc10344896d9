"""FER2013 in its official form: `fer2013.csv`, see `families/fer2013.py`. Faces become PNG.

Goodfellow et al., "Challenges in representation learning", 2013.
Kaggle's `icml_face_data.csv` is the same table with other columns first: `emotion, Usage, pixels`.
"""

from collections.abc import Iterator

from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.fer2013 import TABLES, TableEntry, TableReader, read_rows
from fer_core.sources.files.label_files import find_file
from fer_core.sources.files.tree import RawTree

__all__ = ["READER"]

_KAGGLE = [
    f"{folder}icml_face_data.csv{suffix}"
    for folder in ("", "fer2013/", "icml_face_data.csv/")
    for suffix in ("", ".gz")
]


class _Fer2013(TableReader):
    layout = "fer2013"

    def recognise(self, tree: RawTree) -> bool:
        return any(tree.is_file(name) for name in [*TABLES, *_KAGGLE])

    def files(self, tree: RawTree) -> list[str]:
        return [find_file(tree, [*TABLES, *_KAGGLE], "FER2013 table")]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[TableEntry]:
        return read_rows(tree, self.files(tree)[0])


READER = _Fer2013()
