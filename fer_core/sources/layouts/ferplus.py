"""FERPlus: `fer2013new.csv`, ten annotators' votes for the rows of `fer2013.csv`, joined by row
order.

The number in `ferNNNNNNN.png` is not the row number (some rows have no name), so only the order
joins the two tables.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from fer_core.base.errors import DataError
from fer_core.base.labels import UNLABELLED
from fer_core.sources.catalogue.faces import Announced
from fer_core.sources.catalogue.official_counts import check_official_counts
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.fer2013 import (
    NO_NAME,
    TABLES,
    WORDS,
    TableEntry,
    TableReader,
    decide,
    read_rows,
)
from fer_core.sources.files.label_files import Line, find_file, read_table
from fer_core.sources.files.tree import RawTree

__all__ = ["READER"]

_FOLDERS = ("", "FERPlus/", "FERPlus-master/")  # the last as the authors' repository unpacks
_TABLES = [
    f"{folder}{name}" for folder in _FOLDERS for name in ("fer2013new.csv", "fer2013new.csv.gz")
]
_ENOUGH, _LEAST_AGREEMENT = 100, 0.4
_HEADER = ("Usage", "Image name", *WORDS)


class _Ferplus(TableReader):
    layout = "ferplus"

    def recognise(self, tree: RawTree) -> bool:
        return all(any(tree.is_file(name) for name in names) for names in (TABLES, _TABLES))

    def files(self, tree: RawTree) -> list[str]:
        return [
            find_file(tree, _TABLES, "FERPlus table"),
            find_file(tree, TABLES, "FER2013 table that FERPlus labels"),
        ]

    def check_counts(self, tree: RawTree, options: CleanOptions, counts: Announced) -> None:
        key = f"{self.layout}, {options.ferplus.mode}"
        check_official_counts(key, counts, tree.where(self.files(tree)[0]))

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[TableEntry]:
        votes, pictures = self.files(tree)
        rows, n_rows, n_votes = read_rows(tree, pictures), 0, 0
        agreeing, compared = 0, 0
        for row, vote in zip_longest(rows, read_table(tree, votes, _HEADER)):
            n_rows += row is not None
            n_votes += vote is not None
            if row is not None and vote is not None:
                line, columns = vote
                labelled = _labelled(row, line, columns, options)
                compared += labelled.label != UNLABELLED
                agreeing += labelled.label == row.label
                yield labelled
        if n_rows != n_votes:
            raise DataError(
                "The FERPlus table has not as many rows as the FER2013 table: they cannot be "
                "joined by order.",
                where=tree.where(votes),
                found=f"{n_votes} rows of votes, {n_rows} rows of pictures in "
                f"{tree.where(pictures)}",
                remedy="put the two official tables side by side, both whole (35,887 rows) or cut "
                "at the same row",
            )
        if compared >= _ENOUGH and agreeing < _LEAST_AGREEMENT * compared:
            raise DataError(
                "The two tables are not in the same order: the votes seldom agree with FER2013's "
                "labels.",
                where=tree.where(votes),
                found=f"agreement {agreeing / compared:.2f} in {compared} rows with "
                f"{tree.where(pictures)}",
                expected=f"at least {_LEAST_AGREEMENT}; the official tables have 0.64 to 0.68, "
                "tables in another order 0.18 to 0.23",
                remedy="fetch both official tables again; neither may be sorted, shuffled or "
                "filtered",
            )


def _labelled(row: TableEntry, line: Line, columns: list[str], options: CleanOptions) -> TableEntry:
    """The row with the label of its votes.

    Raises:
        DataError: another Usage than the row's, or votes that are none.
    """
    usage, name, *counts = columns
    if usage != row.usage:
        assert row.line is not None
        raise line.error(
            "The two tables disagree about Usage: they are not in the same order.",
            f"{row.usage!r}, as in {row.line.file}, line {row.line.number}",
            "fetch both official tables again; neither may be sorted or filtered",
        )
    vote = decide(counts, options.ferplus.mode, line)
    return replace(row, detail=line.text, **(vote if name else NO_NAME)._asdict())


READER = _Ferplus()
