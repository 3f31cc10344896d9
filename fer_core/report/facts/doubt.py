"""Scores that may be too good because a teacher from elsewhere may have learned the very faces."""

from collections.abc import Collection, Mapping

import numpy as np

from fer_core.evaluation.calibration.calibrators import source_of
from fer_core.outside.described.description import worst
from fer_core.outside.described.options import Overlap
from fer_core.report.facts.collect import RunFacts

__all__ = [
    "DOUBTS",
    "doubt_words",
    "doubtful_methods",
    "entry_overlap",
    "learned_words",
    "overlaps",
]

DOUBTS: dict[Overlap, str] = {
    "all": "these faces were learned by",
    "part": "some of these faces were learned by",
    "unknown": "nobody knows whether these faces were learned by",
}
"""Overlaps that put a score in doubt, in words that go before the teachers."""


def overlaps(facts: RunFacts, set_name: str) -> dict[str, Overlap]:
    """Of each teacher from elsewhere, how much of a named test set its training data hold, as
    stated.
    """
    test = facts.deployed.evaluation.test
    rows = np.flatnonzero(facts.deployed.evaluation.sets[set_name])
    sources = {source_of(test.sample_ids[row]) for row in rows}
    return {tag: teacher.overlap(sources, set_name) for tag, teacher in facts.outside.items()}


def entry_overlap(found: Mapping[str, Overlap], weights: Mapping[str, float]) -> str:
    """The worst overlap of the teachers from elsewhere that have weight; "" where none has.

    Args:
        found: of `overlaps`.
        weights: of the teachers behind an entry.
    """
    counted = [overlap for tag, overlap in found.items() if weights.get(tag, 0) > 0]
    return worst(counted) if counted else ""


def doubtful_methods(facts: RunFacts, set_name: str) -> list[str]:
    """Methods of which a student was taught by a teacher whose training data may hold some of a
    set's faces.
    """
    found = overlaps(facts, set_name)
    return [
        method
        for method in facts.scope.methods
        if any(
            found[tag] in DOUBTS
            for key in facts.scope.runs(method)
            for tag in facts.taught.get(key, ())
        )
    ]


def learned_words(found: Mapping[str, Overlap], tags: Collection[str]) -> str:
    """What some teachers may have learned, in words; "" where nothing is in doubt."""
    groups = {one: [tag for tag in tags if found[tag] == one] for one in DOUBTS}
    return "; ".join(f"{DOUBTS[one]} {', '.join(some)}" for one, some in groups.items() if some)


def doubt_words(facts: RunFacts, set_name: str) -> str | None:
    """What the mark † means on a named test set; None where nothing is marked."""
    doubtful = learned_words(overlaps(facts, set_name), facts.scope.outside)
    if not doubtful:
        return None
    methods = ", ".join(doubtful_methods(facts, set_name))
    taught = f" and of students of {methods}" if methods else ""
    return (
        f"† Possibly contaminated on {set_name}: {doubtful}, from elsewhere. Scores of such a "
        f"teacher, of ensembles in which it has weight{taught} may be too good."
    )
