"""Classes that nobody in the data has, because the user says so: section `labels`.

A stage declares them once for its process (`stages/entry.py`); the gate, averages over classes and
the export ask here. Without a declaration all seven classes count, with rows or without.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from fer_core.base.labels import CLASSES, INDEX
from fer_core.base.params import Section, each_once, parse_section

__all__ = ["LabelOptions", "absent_classes", "declare_absent", "present_classes"]

_absent: tuple[str, ...] = ()


class LabelOptions(Section):
    """Classes that the data do not have.

    Attributes:
        absent: classes that nobody has, such as [Neutral]: the gate lets them pass, the exported
            network never answers them, and averages are over the other classes.
    """

    absent: Annotated[
        tuple[Literal[CLASSES], ...],  # type: ignore[valid-type]
        Field(max_length=len(CLASSES) - 2),
        each_once(),
    ] = ()


def declare_absent(params: Mapping[str, Any]) -> None:
    """Take the section `labels` of parameters, where there is one, for this process.

    Raises:
        ParamsError: it is not valid.
    """
    global _absent
    options: LabelOptions = parse_section("labels", params.get("labels") or {}, LabelOptions)
    _absent = tuple(name for name in CLASSES if name in options.absent)


def absent_classes() -> tuple[str, ...]:
    """Names in canonical order."""
    return _absent


def present_classes() -> list[int]:
    """Indices of all other classes."""
    return [INDEX[name] for name in CLASSES if name not in _absent]
