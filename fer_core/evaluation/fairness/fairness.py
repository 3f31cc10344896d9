"""The student on subgroups of people that a data set records; nothing is ever guessed from a face.

Groups are compared with all other recorded rows by a bootstrap that draws whole clusters for all
groups at once; p-values are adjusted over all groups of all attributes (Holm). Groups of too few
rows are named and counted, and have no numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.params import Section
from fer_core.evaluation.comparison.significance import holm
from fer_core.evaluation.metrics.bootstrap import confidence_intervals, interval_of
from fer_core.evaluation.metrics.deployed import Answers, refused
from fer_core.evaluation.metrics.options import EvaluationOptions

__all__ = ["FairnessOptions", "measure_fairness", "parse_subgroups"]

_RESAMPLES = 2000
"""At least, so that a p-value after Holm's correction can be small."""
_SHOWN = ("accuracy", "macro_f1_present", "ece")


class FairnessOptions(Section):
    """Which groups are told of.

    Attributes:
        rows: a group of fewer test rows has no numbers.
        rows_of_class: a class of fewer rows in a group does not count in the gap of hit rates.
    """

    rows: Annotated[int, Field(ge=1)] = 100
    rows_of_class: Annotated[int, Field(ge=1)] = 10


def parse_subgroups(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Attribute -> value of each row, "" where it is not recorded, from texts such as
    "age=20-39;gender=female".
    """
    rows = [dict(part.split("=", 1) for part in text.split(";") if part) for text in texts]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, "") for row in rows], dtype=object) for name in names}


def measure_fairness(
    answers: Answers,
    attributes: Mapping[str, np.ndarray],
    options: FairnessOptions,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    """Every attribute's groups.

    Args:
        answers: to N rows.
        attributes: of `parse_subgroups`.
        options: section `trust.fairness`.
        evaluation: section `evaluation`.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON: attribute -> rows, unknown, groups, refused, tpr_gap, worst; without
        any attribute a reason.
    """
    if not attributes:
        return {**refused(0, "no data set brings subgroups"), "attributes": {}}
    found = {
        name: _attribute(answers, values, options, evaluation, seed)
        for name, values in attributes.items()
    }
    groups = [group for attribute in found.values() for group in attribute["groups"].values()]
    compared = [group for group in groups if "p" in group]
    for group, adjusted in zip(compared, holm([one["p"] for one in compared]), strict=True):
        apart = group["difference"]["low"] > 0 or group["difference"]["high"] < 0
        group |= {"p_holm": round(adjusted, 6), "shown": bool(apart and adjusted < 0.05)}
    return {"attributes": found}


def _attribute(
    answers: Answers,
    values: np.ndarray,
    options: FairnessOptions,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    known = values != ""
    answers, values = answers.of(known), values[known]
    counts = {str(name): int((values == name).sum()) for name in sorted(set(values.tolist()))}
    large = [name for name, n in counts.items() if n >= options.rows]
    weights = answers.weights(max(evaluation.bootstrap, _RESAMPLES), seed)
    groups = {
        name: _group(answers, values == name, evaluation, seed, weights, compared=len(counts) > 1)
        for name in large
    }
    worst = min(groups, key=lambda name: groups[name]["accuracy"]["value"], default=None)
    few = f"fewer than {options.rows} rows"
    return {
        "rows": len(answers),
        "unknown": refused(int((~known).sum()), "nobody recorded it for these rows"),
        "groups": groups,
        "refused": {name: refused(n, few) for name, n in counts.items() if name not in large},
        "tpr_gap": _tpr_gap(answers, values, large, options, weights),
        "worst": None if worst is None else {"group": worst, "n": counts[worst]},
    }


def _group(
    answers: Answers,
    mine: np.ndarray,
    evaluation: EvaluationOptions,
    seed: int,
    weights: Sequence[np.ndarray],
    compared: bool,
) -> dict[str, Any]:
    """Metrics of one group, and how far its accuracy is from that of all other rows."""
    part, right = answers.of(mine), answers.right
    intervals = confidence_intervals(
        part.outcome(evaluation.bins), evaluation.bootstrap, seed, _SHOWN, part.clusters
    )
    found: dict[str, Any] = {
        "n": len(part),
        "clusters": len(np.unique(part.clusters)),
        **{name: intervals[name].to_dict() for name in _SHOWN},
    }
    if absent := [CLASSES[c] for c in range(N_CLASSES) if not (part.labels == c).any()]:
        found["without"] = ", ".join(absent)
    if not compared:
        return found

    def difference(w: np.ndarray) -> float:
        inside, outside = w @ mine, w @ ~mine
        if not inside or not outside:
            return float("nan")
        return float(w @ (right & mine) / inside - w @ (right & ~mine) / outside)

    drawn = np.array([difference(w) for w in weights])
    drawn = drawn[np.isfinite(drawn)]  # a draw without the group says nothing of it
    sides = 1 + min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    found["difference"] = interval_of(difference, weights).to_dict()
    found["p"] = round(min(1.0, 2 * sides / (1 + len(drawn))), 6)
    return found


def _tpr_gap(
    answers: Answers,
    values: np.ndarray,
    groups: Sequence[str],
    options: FairnessOptions,
    weights: Sequence[np.ndarray],
) -> dict[str, Any]:
    """Greatest less least share of faces found (true-positive rate) among the groups, mean over the
    classes of which every group has enough rows.
    """
    cells = [
        [(values == name) & (answers.labels == label) for name in groups]
        for label in range(N_CLASSES)
    ]
    kept = [
        label
        for label, masks in enumerate(cells)
        if all(int(mask.sum()) >= options.rows_of_class for mask in masks)
    ]
    if len(groups) < 2 or not kept:
        reason = "fewer than two groups" if len(groups) < 2 else "no class with enough rows in each"
        return dict(refused(len(answers), reason))
    right = answers.right

    def gap(w: np.ndarray) -> float:
        gaps = []
        for label in kept:
            rates = [float(w @ (right & m) / (w @ m)) for m in cells[label] if w @ m]
            gaps.append(max(rates) - min(rates) if len(rates) == len(groups) else float("nan"))
        return float(np.nanmean(gaps)) if np.isfinite(gaps).any() else float("nan")

    left_out = [name for label, name in enumerate(CLASSES) if label not in kept]
    found: dict[str, Any] = interval_of(gap, weights).to_dict()
    return found | ({"without": ", ".join(left_out)} if left_out else {})
