"""Params that DVC's run cache does not see unless they are named by their whole path.

The key of an entry of the run cache is a hash without whatever is called `size` or `nfiles`,
however deep: so DVC calls what it records of files. A stage that reads a section with a `size` in
it would take the result of a run with images of another size. Beside `preprocessing`,
`preprocessing.size` is declared, which as a name of its own counts.
"""

from collections.abc import Iterator
from typing import Any

__all__ = ["UNSEEN", "is_unseen", "unseen_in"]

UNSEEN = frozenset({"size", "nfiles"})
"""Names that DVC leaves out (`dvc.stage.cache`)."""


def unseen_in(params: dict[str, Any], name: str) -> list[str]:
    """Dotted names of what lies below a declared name and is called so.

    Args:
        params: all of params.yaml.
        name: dotted, as a stage declares it; what is not there has nothing below it.
    """
    value: Any = params
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return [f"{name}.{path}" for path in _below(value)]


def is_unseen(name: str) -> bool:
    """Whether a declared name ends so, and is declared for that reason alone."""
    return name.rpartition(".")[2] in UNSEEN


def _below(value: Any) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key in UNSEEN:
            yield key
        yield from (f"{key}.{path}" for path in _below(inner))
