"""`subjects.csv` beside class folders: who is on which picture, so that no person is on both
sides of a split.

Two columns under the header `file,subject`: the picture's path from the folder of the table, and
any name for the person. A table that is there names every face; which persons two tables have in
common is not known.
"""

import re
from typing import NamedTuple

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import Line, Listed, read_table
from fer_core.sources.files.tree import RawTree

__all__ = ["SUBJECTS", "Subjects", "check_pattern", "person_in", "read_subjects"]

SUBJECTS = "subjects.csv"
_HEADER = ["file", "subject"]
_LONGEST_PATTERN = 200


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression.

    Raises:
        ValueError: says what is wrong with it.
    """
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"group_pattern: more than {_LONGEST_PATTERN} characters")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"group_pattern: {pattern} is no regular expression: {error}") from error


def person_in(path: str, pattern: str) -> str:
    """The person that the pattern finds in a picture's path: its first group, or else all that it
    matches; "" where it finds none. The number behind `#` in a sample_id is no part of the path.
    """
    found = re.search(pattern, re.sub(r"#\d+$", "", path))
    return "" if found is None else (found[1 if found.re.groups else 0] or "")


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
                raise line.error("A file of the table is missing.", f"it at {tree.where(path)}")


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
    named: dict[str, tuple[str, Line]] = {}
    listed = Listed("A file")
    for line, (file, person) in read_table(tree, table, _HEADER):
        if not person:
            raise line.error("A line does not name a file and a person.", ",".join(_HEADER))
        path = above + line.path(file)
        listed.add(path, line)
        named[path] = (person, line)
    return Subjects(table, named)
