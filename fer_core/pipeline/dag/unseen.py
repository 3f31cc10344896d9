"""Params that DVC's run cache does not see unless they are named by their whole path.

The key of an entry of the run cache is a hash without whatever is called `size` or `nfiles`,
however deep: so DVC calls what it records of files. A stage that reads a section with a `size` in
it would take the result of a run with images of another size. Beside `preprocessing`,
`preprocessing.size` is declared, which as a name of its own counts.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["unseen_in", "value_of", "with_unseen"]

_UNSEEN = frozenset({"size", "nfiles"})
"""Names that DVC leaves out (`dvc.stage.cache`)."""


def unseen_in(params: dict[str, Any], name: str) -> list[str]:
    """Dotted names of what lies below a declared name and is called so.

    Args:
        params: all of params.yaml.
        name: dotted, as a stage declares it; what is not there has nothing below it.
    """
    return [f"{name}.{path}" for path in _below(value_of(params, name))]


def with_unseen(params: dict[str, Any], names: list[str], before: list[str]) -> list[str]:
    """Declared names, each followed by what lies below it and is called so.

    Args:
        params: all of params.yaml.
        names: that a stage now declares, with those of `before`.
        before: what it declared: a name that stood there for a section's sake is found anew.
    """
    added = {
        name
        for name in before
        if name.rpartition(".")[2] in _UNSEEN and any(name.startswith(f"{one}.") for one in before)
    }
    kept = [name for name in names if name not in added]
    return [one for name in kept for one in (name, *unseen_in(params, name))]


def value_of(params: dict[str, Any], name: str) -> Any:
    """Value of a dotted name, or None where it is not there."""
    value: Any = params
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _below(value: Any) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key in _UNSEEN:
            yield key
        yield from (f"{key}.{path}" for path in _below(inner))
