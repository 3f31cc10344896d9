"""Teachers from elsewhere: what is stated of them, and what they cannot be asked for."""

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.params import parse_section
from fer_core.outside.described.options import is_outside
from fer_core.pipeline.schema.faults import refuse

__all__ = ["check_outside"]


def check_outside(params: dict[str, Any], path: Path) -> None:
    """What is stated of teachers from elsewhere is on data sets and sets that there are, on every
    data set, and nobody needs their weights.
    """
    named_sets = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], named_sets.NamedSets, path)
    sources, evaluated = params["manifest"]["sources"], named_sets.evaluated_sets(sets)
    outside = {tag: entry for tag, entry in params["teachers"].items() if is_outside(entry)}
    for tag, entry in outside.items():
        stated = entry["overlap"]
        if isinstance(stated, str):
            continue
        where = f"{path}: teachers.{tag}.overlap"
        refuse(
            [name for name in stated if name not in (*sources, *evaluated)],
            "There is no such data set or set of test rows.",
            where,
            expected=", ".join(dict.fromkeys((*sources, *evaluated))),
            remedy="correct the name",
        )
        refuse(
            [name for name in sources if name not in stated],
            "Nothing is stated about some data sets.",
            where,
            expected="none, part, all or unknown for each of manifest.sources",
            remedy="state it; `unknown` where nobody knows",
        )
