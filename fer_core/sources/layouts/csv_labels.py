"""A table of paths and labels beside pictures: `file,label` and the like, as csv or tsv.

Columns may be called as people call them (`image_path`, `file_name`, `img`; `emotion`, `class`; see
`families/tables.py`) and come in any order among others. A column of splits (`split`, `usage`) or
of persons (`subject`, `group`) is read where there is one; without the first the name of the table
says the split (`train.csv` beside `test.csv`), else all is train. Paths count from the table's
folder, or from a folder beside it. Labels are words in any case; numbers are refused, because data
sets number the same classes differently. A picture that is listed twice gives two faces, so that
contradicting labels meet the rules for twins.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.base.labels import UNLABELLED
from fer_core.sources.catalogue.options import CleanOptions
from fer_core.sources.families.tables import (
    Columns,
    find_columns,
    further_labels,
    is_number,
    meaning_of,
    split_of_file,
)
from fer_core.sources.files.label_files import Line, read_lines
from fer_core.sources.files.names import split_of
from fer_core.sources.files.tree import RawTree
from fer_core.sources.reading.reader import Entry, Reader, settle_missing

__all__ = ["READER"]

_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_DELIMITERS = ",;\t"
_SHOWN = 3
_EXPECTED = (
    "a csv or tsv whose first line names a column of paths (file, image, path, …) and one of "
    "labels (label, emotion, class, …)"
)
_AGAIN, _AT_ODDS = "listed more than once", "listed more than once, with different labels"


class _Header(NamedTuple):
    """The first line of a table: what divides columns, how many there are, what they mean, and the
    places of further columns of labels.
    """

    delimiter: str
    width: int
    columns: Columns
    further: list[int]


class _CsvLabels(Reader):
    layout = "csv_labels"

    def recognise(self, tree: RawTree) -> bool:
        """True where a table has a column of paths and one of labels."""
        return bool(_tables(tree))

    def files(self, tree: RawTree) -> list[str]:
        """The tables, and the folders in which listed pictures lie.

        Raises:
            DataError: no table, or several that name no split.
        """
        tables = _chosen(tree)
        listed = (entry.path for entry in self._listed(tree, tables))
        tops = {path.partition("/")[0] if "/" in path else "" for path in listed if path}
        return [*tables, *([""] if "" in tops else sorted(tops))]

    def entries(self, tree: RawTree, options: CleanOptions) -> Iterator[Entry]:
        """What the tables list.

        Raises:
            DataError: as `files`, or a line is no CSV, names a path outside the data set, a label
                that is a number, or a split that is none.
        """
        listed = list(self._listed(tree, _chosen(tree)))
        times = Counter(entry.key for entry in listed)
        labels: dict[str, set[str]] = {}
        for entry in listed:
            labels.setdefault(entry.key, set()).add(entry.counted)
        seen: Counter[str] = Counter()
        for entry in listed:
            key = entry.key
            seen[key] += 1
            note = ""
            if times[key] > 1:
                note = _AT_ODDS if len(labels[key]) > 1 else _AGAIN
            number = f"#{seen[key]}" if seen[key] > 1 else ""
            # the picture is the group where no person is named
            yield replace(entry, key=key + number, group=entry.group or key, note=note)

    def located(
        self, tree: RawTree, entries: Iterable[Entry], options: CleanOptions
    ) -> list[Entry]:
        return settle_missing(
            tree,
            entries,
            options,
            what="pictures",
            expected=f"each in the table's folder, or all in a folder in {tree.place}",
            remedy="unpack the data set completely",
        )

    def remarks(self, tree: RawTree, options: CleanOptions) -> list[str]:
        entries = list(self.entries(tree, options))
        found = []
        twice = {
            entry.key.partition("#")[0]: entry.line for entry in entries if entry.note == _AT_ODDS
        }
        if twice:
            shown = [f"{name} (line {line.number})" for name, line in twice.items() if line]
            more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
            found.append(
                f"{len(twice)} pictures are listed more than once with different labels "
                f"(manifest.twins.contradictory decides): {', '.join(shown[:_SHOWN])}{more}"
            )
        return found

    def no_persons(self, tree: RawTree, options: CleanOptions) -> str:
        if any(header.columns.group is not None for header in _tables(tree).values()):
            return ""
        return "the table a column `subject`"

    def _listed(self, tree: RawTree, tables: list[str]) -> Iterator[Entry]:
        """Entries with the paths of their pictures, as the lines have them."""
        for table in tables:
            lines = list(_lines(tree, table))
            folder = _folder_of(tree, [name for _, name, _ in lines])
            usage = split_of_file(PurePosixPath(table).name.partition(".")[0])
            for line, name, cells in lines:
                yield _entry(line, name, cells, folder, usage)


def _header(line: Line) -> _Header | None:
    """What the first line of a table says; None where it names no path or no label."""
    for delimiter in _DELIMITERS:
        try:
            names = line.cells(len(line.text.split(delimiter)), "header", delimiter)
        except DataError:
            continue
        columns = find_columns(names)
        if columns.path is not None and columns.label is not None:
            return _Header(delimiter, len(names), columns, further_labels(names))
    return None


def _candidates(tree: RawTree) -> list[str]:
    """The tables of the top folder, or the one that was given."""
    names = [tree.table] if tree.table else tree.names()
    return [name for name in names if name.lower().endswith(_ENDINGS) and tree.is_file(name)]


def _tables(tree: RawTree) -> dict[str, _Header]:
    """Those that have both columns."""
    found: dict[str, _Header] = {}
    for name in _candidates(tree):
        try:
            header = _header(next(read_lines(tree, name)))
        except DataError:
            continue  # no text, so no such table
        if header is not None:
            found[name] = header
    return found


def _chosen(tree: RawTree) -> list[str]:
    """The table, or those of the splits.

    Raises:
        DataError: there is none, or several of which one names no split.
    """
    tables = list(_tables(tree))
    if not tables:
        for name in _candidates(tree)[:1]:
            raise next(read_lines(tree, name)).error("The table has another header.", _EXPECTED)
        raise DataError(
            "The table of paths and labels is missing.",
            where=tree.place,
            found=", ".join(tree.names()[:8]) or "nothing",
            expected=_EXPECTED,
            remedy="give the folder that holds it: `fer data add NAME PATH`",
        )
    if len(tables) > 1 and not all(split_of_file(name.partition(".")[0]) for name in tables):
        raise DataError(
            "There are several tables of paths and labels.",
            where=tree.place,
            found=", ".join(tables[:8]),
            expected="one, or one for each split (train.csv, test.csv)",
            remedy=f"give the one that is meant: `fer data add NAME {tree.where(tables[0])}`",
        )
    return tables


def _lines(tree: RawTree, table: str) -> Iterator[tuple[Line, str, list[str | None]]]:
    """Line, path, and label, split and person of each entry; None for a column that is lacking."""
    lines = read_lines(tree, table)
    first = next(lines)
    header = _header(first)
    if header is None:
        raise first.error("The table names no column of paths or none of labels.")
    meaning = first.text[:200]
    path = header.columns.path
    assert path is not None and header.columns.label is not None
    for line in lines:
        cells = line.cells(header.width, meaning, header.delimiter)
        _check_agree(line, [cells[place] for place in (header.columns.label, *header.further)])
        name = cells[path].replace("\\", "/").removeprefix("./")
        rest = [None if place is None else cells[place] for place in header.columns[1:]]
        yield line, line.path(name), rest


def _check_agree(line: Line, words: list[str]) -> None:
    """Refuse a line whose columns of labels name two classes."""
    classes = {label for word in words if (label := meaning_of(word).label) != UNLABELLED}
    if len(classes) > 1:
        raise line.error(
            "Two columns label this picture differently.",
            "one column of labels, or several that agree",
            "take the other column out of the table, or give it another name",
        )


def _folder_of(tree: RawTree, names: list[str]) -> str:
    """Where the listed paths count from: the table's folder, or one in it; "" where none fits."""
    folders = ["", *(f"{folder}/" for folder in tree.folders())]
    if len(folders) == 1:
        return ""
    for name in names:
        for folder in folders:
            if tree.is_file(folder + name):
                return folder
    return ""


def _entry(line: Line, name: str, cells: list[str | None], folder: str, usage: str | None) -> Entry:
    """The face of a line.

    Raises:
        DataError: its label is a number, or its split none.
    """
    word, split, person = cells
    assert word is not None
    if is_number(word):
        raise line.error(
            f"A label is a number, {word!r}, and which class it means is not known.",
            "names of classes: Angry, Disgust, …",
            "write the names instead of the numbers, by the description that came with them",
        )
    if split is not None:
        usage = split
        split = split_of(split)
        if split is None:
            raise line.error(f"Unknown split {usage!r}.", "train, val or test")
    meaning = meaning_of(word)
    return Entry(
        key=name,
        split=split or usage or "train",
        usage=usage or "",
        path=folder + name,
        detail=word if meaning.label == UNLABELLED else "",
        group=f"subject/{person}" if person else "",
        line=line,
        **meaning._asdict(),
    )


READER = _CsvLabels()
