"""Named sets: each that is asked for is declared, and is of the rows that are asked for."""

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.params import parse_section
from fer_core.pipeline.dag.keys import trained_teachers
from fer_core.pipeline.schema.faults import refuse

__all__ = ["check_sets"]

_DEV_SETS = frozenset({"val", "calib"})
"""Sets that every evaluation has without being told."""


def check_sets(params: dict[str, Any], path: Path) -> None:
    """Every named set that is asked for must be declared and be of the right half, and every source
    that a set names must be listed.
    """
    module = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], module.NamedSets, path)
    _check_declared(params, sets, module.evaluated_sets(sets), path)
    _check_compared(params, module.evaluated_sets(sets), path)
    for name in params["pack"].get("train_sets") or []:
        module.train_set_of(name, sets)
    for section in _learning(params):
        name = params[section].get("set")
        if name is not None:
            module.train_set_of(name, sets)
        _check_packed(params, section, name, path)


def _check_declared(
    params: dict[str, Any], sets: Mapping[str, Any], evaluated: Collection[str], path: Path
) -> None:
    """Sets are of listed data sets, and have names of their own."""
    listed = params["manifest"]["sources"]
    for name, chosen in sets.items():
        for key, named in (("sources", chosen.sources), ("without", chosen.without)):
            refuse(
                sorted(set(named or []) - set(listed)),
                "A named set names a data set that is not listed.",
                f"{path}: sets.{name}.{key}",
                expected=f"some of manifest.sources: {', '.join(listed)}",
                remedy="correct the name, add the data set to manifest.sources, or remove the set",
            )
        refuse(
            [] if any(map(chosen.may_hold, listed)) else chosen.without or [],
            "A named set leaves all of its data sets out.",
            f"{path}: sets.{name}.without",
            expected=f"fewer than all of {', '.join(chosen.sources or listed)}",
            remedy="leave fewer out, or remove the set",
        )
    refuse(
        sorted(_DEV_SETS & set(evaluated)),
        "Every evaluation has a set of this name already.",
        f"{path}: sets",
        remedy="rename it",
    )


def _check_compared(params: dict[str, Any], evaluated: Collection[str], path: Path) -> None:
    """Students are compared on sets of test rows."""
    asked = params["evaluation"]["compare_set"]
    refuse(
        [name for name in ([asked] if isinstance(asked, str) else asked) if name not in evaluated],
        "There is no named set of test rows to compare on.",
        f"{path}: evaluation.compare_set",
        expected=f"some of {', '.join(evaluated)}" if evaluated else "a set of test rows",
        remedy="correct the name, or declare the set under sets",
    )


def _learning(params: dict[str, Any]) -> list[str]:
    """Sections by which something is trained."""
    trained = trained_teachers(params)
    learning = {
        "teacher": bool(trained),
        "teacher_b": any(entry.get("stage") == "b" for entry in trained.values()),
        "student": True,
    }
    return [name for name, learns in learning.items() if learns and name in params]


def _check_packed(params: dict[str, Any], section: str, name: str | None, path: Path) -> None:
    """What a section learns from is packed."""
    packed = params["pack"].get("train_sets") or []
    refuse(
        [name or "all train rows"] if packed and name not in packed else [],
        "Only some train rows are packed, and this section learns from others.",
        f"{path}: {section}.set",
        expected=f"some of pack.train_sets: {', '.join(packed)}",
        remedy="name one of them, add the set to pack.train_sets, or take pack.train_sets out",
    )
