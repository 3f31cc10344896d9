"""Subgroups that people recorded for the faces of a data set: a table beside it, `subgroups.csv`.

Its first column, `face`, is what follows the data set's name in a sample_id; each other column is
an attribute. An empty cell says that nobody recorded it.
"""

import re
from collections.abc import Mapping

from fer_core.sources.files.label_files import Line, Listed, read_lines
from fer_core.sources.files.tree import SUBGROUPS, RawTree

__all__ = ["SUBGROUPS", "read_subgroups", "subgroup_text"]

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,29}")
_VALUE = re.compile(r"[^=;,]{0,60}")


def read_subgroups(tree: RawTree) -> dict[str, str]:
    """Face -> its subgroups, "age=20-39;gender=female"; empty where there is no table.

    Raises:
        DataError: another header, a wrong number of cells, a value that cannot be one, a face
            listed twice.
    """
    if not tree.is_file(SUBGROUPS):
        return {}
    found: dict[str, str] = {}
    listed = Listed("A face")
    attributes: list[str] = []
    for line in read_lines(tree, SUBGROUPS):
        if not attributes:
            attributes = _header(line)
            continue
        face, *values = line.cells(1 + len(attributes), "face and its subgroups")
        listed.add(face, line)
        for value in values:
            if not _VALUE.fullmatch(value):
                raise line.error("This is no subgroup.", "up to 60 characters without = and ;")
        found[face] = subgroup_text(dict(zip(attributes, values, strict=True)))
    return found


def subgroup_text(values: Mapping[str, str]) -> str:
    """Attributes with their values, sorted by name, those without a value left out."""
    return ";".join(f"{name}={value}" for name, value in sorted(values.items()) if value)


def _header(line: Line) -> list[str]:
    first, *attributes = [cell.strip() for cell in line.text.lstrip("\ufeff").split(",")]
    sound = all(_ATTRIBUTE.fullmatch(name) for name in attributes)
    if first != "face" or not attributes or not sound or len(set(attributes)) < len(attributes):
        raise line.error(
            "This is no header of a table of subgroups.",
            "face,ATTRIBUTE,… such as face,gender,age: each once, of a-z, 0-9 and _",
        )
    return attributes
