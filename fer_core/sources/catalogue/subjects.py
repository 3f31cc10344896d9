"""`subjects.csv` beside class folders: who is on which picture, so that no person stands on both
sides of a split.

Two columns under the header `file,subject`: the picture's path from the folder of the table, and
any name for the person. A table that is there names every face; which persons two tables have in
common is not known.
"""

import csv
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import Line, line_error, read_lines, relative_path
from fer_core.sources.files.tree import RawTree

__all__ = ["SUBJECTS", "Subjects", "read_subjects"]

SUBJECTS = "subjects.csv"
_HEADER = ["file", "subject"]


class Subjects(NamedTuple):
    """The persons of one table: path in the data set -> name and line."""

    table: str
    named: dict[str, tuple[str, Line]]

    def of(self, path: str, tree: RawTree) -> str:
        """The person on a picture.

        Raises:
            DataError: the table does not name it.
        """
        if path not in self.named:
            raise DataError(
                f"A face is not in {SUBJECTS}.",
                where=tree.where(path),
                expected=f"every face named in {tree.where(self.table)}",
                remedy="add it to the table, or take the table away: each face is then a group of "
                "its own",
            )
        return self.named[path][0]

    def check_all_there(self, tree: RawTree) -> None:
        """Refuse a table that names files which are not there.

        Raises:
            DataError: names the first and its line.
        """
        for path, (_, line) in self.named.items():
            if not tree.is_file(path):
                raise line_error(
                    "A file of the table is missing.",
                    tree.where(self.table),
                    line,
                    expected=f"it at {tree.where(path)}",
                )


def read_subjects(tree: RawTree, folder: str) -> Subjects | None:
    """The table in a folder of the data set; None where there is none.

    Raises:
        DataError: no CSV, another header, a path that leaves the folder, no name, or a file that is
            there twice; names the line.
    """
    above = f"{folder}/" if folder else ""
    table = above + SUBJECTS
    if not tree.is_file(table):
        return None
    file = tree.where(table)
    named: dict[str, tuple[str, Line]] = {}
    for index, line in enumerate(read_lines(tree, table)):
        try:
            columns = [column.strip() for column in next(csv.reader([line.text], strict=True))]
        except csv.Error as error:
            raise line_error(
                f"A line is not CSV: {error}.", file, line, expected=",".join(_HEADER)
            ) from error
        if index == 0:
            if columns != _HEADER:
                raise line_error(
                    "The table has another header.", file, line, expected=",".join(_HEADER)
                )
            continue
        if len(columns) != len(_HEADER) or not columns[1]:
            raise line_error(
                "A line does not name a file and a person.", file, line, expected=",".join(_HEADER)
            )
        path = above + relative_path(columns[0], file, line)
        if path in named:
            raise line_error(
                f"A file is listed twice, first in line {named[path][1].number}.",
                file,
                line,
                expected="each file once",
            )
        named[path] = (columns[1], line)
    return Subjects(table, named)
