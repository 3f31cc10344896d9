"""Whether two methods were given the same: budgets, and trials of their settings."""

from collections.abc import Mapping
from typing import Any

__all__ = ["budget_differences", "fewer_trials"]

_BASELINE = "ce"


def budget_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What two budgets differ in, in words; empty where they are equal. A run that recorded none is
    equal to nothing.

    What is under `tuned` may differ: every method has its own learning rate, found on val rows.
    """
    if not a or not b:
        return ["a run has no recorded budget"]
    a, b = _flat(a), _flat(b)
    return [
        f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}"
        for name in sorted(set(a) | set(b))
        if name.partition(".")[0] != "tuned"
        and (a.get(name) != b.get(name) or (name in a) != (name in b))
    ]


def _flat(budget: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of mappings by dotted names, so that only what differs is told."""
    found: dict[str, Any] = {}
    for name, value in budget.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{key}": one for key, one in _flat(value).items()}
        else:
            found[name] = value
    return found


def fewer_trials(a: str, b: str, trials: Mapping[str, int]) -> list[str]:
    """That plain cross-entropy had fewer trials than the other method, in words; nothing else is
    unfair to a baseline.
    """
    other = {a: b, b: a}.get(_BASELINE)
    if not trials or other is None or trials.get(_BASELINE, 0) >= trials.get(other, 0):
        return []
    return [
        f"trials of settings: {trials.get(_BASELINE, 0)} of {_BASELINE} and {trials.get(other, 0)} "
        f"of {other}"
    ]
