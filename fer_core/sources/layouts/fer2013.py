"""FER2013 in its official form: `fer2013.csv`, see `fer2013_table.py`. Faces become PNG.

Goodfellow et al., "Challenges in representation learning", 2013.
Kaggle's `icml_face_data.csv` is the same table with other columns first: `emotion, Usage, pixels`.
"""

from collections.abc import Iterator

from fer_core.base.labels import CLASSES
from fer_core.pixels.parallel import ordered_map
from fer_core.sources.catalogue.faces import Announced, Exclusion, Face, tally
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.files.fer2013_table import SPLIT_OF_USAGE, TABLES, Row, encode, read_rows
from fer_core.sources.files.label_files import find_file
from fer_core.sources.files.tree import RawTree

__all__ = ["ADAPTER_VERSION", "LAYOUT", "announce", "files", "recognise", "scan"]

LAYOUT = "fer2013"
ADAPTER_VERSION = 1

_KAGGLE = [
    f"{folder}icml_face_data.csv{suffix}"
    for folder in ("", "fer2013/", "icml_face_data.csv/")
    for suffix in ("", ".gz")
]


def recognise(tree: RawTree) -> bool:
    """True where the table lies in the folder."""
    return any(tree.is_file(name) for name in [*TABLES, *_KAGGLE])


def files(tree: RawTree) -> list[str]:
    """The table."""
    return [find_file(tree, [*TABLES, *_KAGGLE], "FER2013 table")]


def announce(tree: RawTree, options: CleanOptions) -> Announced:
    """Rows per split and class; reads labels only."""
    table = files(tree)[0]
    announced: Announced = {}
    for row in read_rows(tree, table):
        tally(announced, SPLIT_OF_USAGE[row.usage], CLASSES[row.label])
    check_official_counts(LAYOUT, announced, tree.where(table))
    return announced


def scan(tree: RawTree, source: str, options: CleanOptions) -> Iterator[Face | Exclusion]:
    """One face a row, in the order of the table."""
    table = files(tree)[0]
    file = tree.where(table)

    def face(row: Row) -> Face:
        key = f"{source}/{row.key}"
        return Face(key, encode(row, file), row.label, SPLIT_OF_USAGE[row.usage], row.usage, key)

    return ordered_map(face, read_rows(tree, table), chunk=64)
