"""How a fault of a parameter file is found and told."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section

__all__ = ["check_section", "refuse"]


def check_section(params: dict[str, Any], key: str, model: Any, path: Path) -> Any:
    """The section of this dotted key as its model reads it.

    Raises:
        ParamsError: it is missing or does not fit.
    """
    values: Any = params
    for name in key.split("."):
        if not isinstance(values, dict) or name not in values:
            raise ParamsError("A section is missing.", where=f"{path}: {key}")
        values = values[name]
    return parse_section(key, values, model, path)


def refuse(
    wrong: Collection[Any],
    problem: str,
    where: object,
    *,
    expected: str | None = None,
    remedy: str | None = None,
) -> None:
    """Raise an error that names what was found wrong, if anything was."""
    if wrong:
        found = ", ".join(map(str, wrong))
        raise ParamsError(problem, where=where, found=found, expected=expected, remedy=remedy)
