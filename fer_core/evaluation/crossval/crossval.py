"""The estimate of a cross-validation, for data sets so small that their test split says little.

Every face is answered once, by a student that learned from other parts only; metrics are of all
these answers together. The interval has three sources of doubt: clusters are drawn again as in
every other interval; the square of its width is multiplied by 1 + k / (k - 1), because the k
students share most of their faces (Nadeau & Bengio, Machine Learning 52, 2003); and it is never
narrower than Wilson's interval of a share of so many clusters, because few faces that are all
answered right prove little.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fer_core.base.labels import CLASSES
from fer_core.base.params import Section
from fer_core.evaluation.metrics.bootstrap import Interval, interval_of, wilson
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.metrics import class_details, measure
from fer_core.evaluation.metrics.options import EvaluationOptions

__all__ = ["CrossvalOptions", "crossval_words", "measure_crossval"]


class CrossvalOptions(Section):
    """Cross-validation of the deployed student's recipe; left out, there is none.

    Attributes:
        folds: parts of all kept faces; each is answered by a student that was trained in the same
            way on the others. A training more for each part and method.
    """

    folds: Annotated[int, Field(ge=2, le=20)]


def measure_crossval(
    answers: Answers, fold_of: np.ndarray, evaluation: EvaluationOptions, seed: int
) -> dict[str, Any]:
    """Accuracy and macro-F1 of all answers with their intervals, F1 of each class, and the accuracy
    of each part.

    Args:
        answers: to N rows, each by the student that did not learn from it or its cluster.
        fold_of: int [N], the part of each row.
        evaluation: section `evaluation`.
        seed: of the bootstrap.
    """
    folds, groups = len(np.unique(fold_of)), len(np.unique(answers.clusters))
    outcome, weights = answers.outcome(evaluation.bins), answers.weights(evaluation.bootstrap, seed)
    found = {}
    for name in ("accuracy", "macro_f1"):

        def statistic(drawn: np.ndarray, name: str = name) -> float:
            return measure(outcome, drawn, (name,))[name]

        found[name] = _widened(interval_of(statistic, weights), folds, groups).to_dict()
    parts = [answers.right[fold_of == fold] for fold in np.unique(fold_of)]
    return {
        "rows": len(answers),
        "groups": groups,
        "folds": folds,
        **found,
        **class_details(outcome),
        "parts": [{"rows": len(part), "accuracy": round(float(part.mean()), 6)} for part in parts],
    }


def crossval_words(found: Mapping[str, Any]) -> str:
    """What the record says, for people who do not know the word cross-validation."""
    if "reason" in found:
        return f"No cross-validation of these {found['n']:,} faces: {found['reason']}."
    share, rows, groups = found["accuracy"], found["rows"], found["groups"]
    whose = (
        f"{rows:,} faces of {groups:,} people or photos (faces of one stay together)"
        if groups < rows
        else f"{rows:,} faces, each counted as another person: nobody says who is on them. If some "
        "show one person, the answers for new people are worse than this"
    )
    return (
        f"Estimated from {whose}. In {found['folds']} parts, each answered by a student that was "
        f"trained in the same way on the other parts, {share['value']:.0%} of the faces are named "
        f"right. With other photos of this kind the figure could be anywhere between "
        f"{share['low']:.0%} and {share['high']:.0%} (macro-F1 {found['macro_f1']['value']:.2f}, "
        f"between {found['macro_f1']['low']:.2f} and {found['macro_f1']['high']:.2f}). Least often "
        f"right: {_weakest(found['confusion'])}."
    )


def _weakest(confusion: list[list[int]]) -> str:
    """The class of which the least share of faces is named right, with its counts."""
    counts = {
        name: (row[i], sum(row))
        for i, (name, row) in enumerate(zip(CLASSES, confusion, strict=True))
    }
    right = {name: hits / of for name, (hits, of) in counts.items() if of}
    name = min(right, key=lambda name: right[name])
    return f"{name}, {counts[name][0]} of {counts[name][1]}"


def _widened(found: Interval, folds: int, groups: int) -> Interval:
    """The interval of answers that were independent, as wide as those of a cross-validation
    deserve.
    """
    shared = 1 + folds / (folds - 1)
    p, floor = found.value, wilson(found.value, groups / shared)
    low = min(p - math.sqrt(shared) * (p - found.low), floor.low)
    high = max(p + math.sqrt(shared) * (found.high - p), floor.high)
    return Interval(p, max(0.0, low), min(1.0, high))
