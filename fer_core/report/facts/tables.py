"""The tables that live in git: leaderboard, comparison, cross-seed summary, and the points of the
plots.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.labels import CLASSES
from fer_core.evaluation.calibration.calibrators import source_of
from fer_core.evaluation.metrics.metrics import METRICS, class_details, outcome_of
from fer_core.report.facts.collect import ModelFacts, RunFacts
from fer_core.report.facts.doubt import entry_overlap, overlaps
from fer_core.report.facts.summary import student_metrics

__all__ = [
    "confusion_points",
    "hard_lines",
    "history_points",
    "leaderboard_lines",
    "per_source_lines",
    "reliability_points",
    "students_lines",
]

OF_PREDICTIONS = ("accuracy", "macro_f1", "minority_f1")
"""Metrics that only the predicted class decides."""
_HISTORY = ("phase", "train_loss", "train_accuracy", "val_accuracy", "val_macro_f1", "val_nll")


def leaderboard_lines(facts: RunFacts) -> list[dict[str, Any]]:
    """Teachers, ensembles and students, raw and calibrated, on every named test set, by falling
    macro-F1.

    Returns:
        set, entry, kind (teacher, ensemble, student), calibrated, chosen, space, weights, rows, and
            each metric with `_low` and `_high`; where there are teachers from elsewhere also
            overlap, the worst of those with a part in the entry ("" of none).
    """
    lines = []
    stated = {name: overlaps(facts, name) for name in facts.deployed.evaluation.sets}

    def doubt(name: str, weights: Mapping[str, float]) -> dict[str, str]:
        return {"overlap": entry_overlap(stated[name], weights)} if facts.outside else {}

    for row in facts.board:
        kind = "teacher" if row["entry"].partition(" T=")[0] in facts.scope.teachers else "ensemble"
        about = {
            "set": row["set"],
            "entry": row["entry"],
            "kind": kind,
            "calibrated": row["calibrated"],
            "chosen": row["chosen"],
        }
        weights = (
            " ".join(f"{tag}={weight:.6g}" for tag, weight in row["weights"].items())
            if kind == "ensemble"
            else ""
        )
        lines.append(
            about
            | {"space": row["space"], "weights": weights, "rows": row["rows_used"]}
            | _cells(row["metrics"])
            | doubt(row["set"], row["weights"] or dict.fromkeys(facts.scope.teachers, 1.0))
        )
    for key, model in facts.each_student():
        for name in model.evaluation.sets:
            doubted = doubt(name, dict.fromkeys(facts.taught.get(key, ()), 1.0))
            lines += [line | doubted for line in _student_lines(key, model, name)]
    order = {name: place for place, name in enumerate(facts.deployed.evaluation.sets)}
    return sorted(lines, key=lambda line: (order[line["set"]], -line["macro_f1"]))


def students_lines(facts: RunFacts, set_name: str) -> list[dict[str, Any]]:
    """Each method over its seeds on a named test set: set, method, metric, seeds, mean, sd (of a
    sample; empty for one seed), min, max.

    All four are empty for the F1 of a class without rows in the set.
    """
    lines = []
    for method in facts.scope.methods:
        runs = [
            student_metrics(facts.models[f"{method}-{seed}"], set_name)
            for seed in facts.scope.seeds
        ]
        for metric in runs[0]:
            about = {"set": set_name, "method": method, "metric": metric, "seeds": len(runs)}
            lines.append(about | _over_seeds([run[metric] for run in runs]))
    return lines


def per_source_lines(facts: RunFacts) -> list[dict[str, Any]]:
    """F1 of every model on each data set and class of `compare_set`: model, source, class, faces,
    f1 (None where there is no face).
    """
    lines = []
    for key, model in facts.models.items():
        test = model.evaluation.test
        rows = np.flatnonzero(model.evaluation.sets[facts.scope.compare_set])
        sources = np.array([source_of(test.sample_ids[row]) for row in rows])
        for source in np.unique(sources):
            mine = rows[sources == source]
            details = class_details(outcome_of(test.eval[mine], test.labels[mine], bins=1))
            for label, counts in zip(CLASSES, details["confusion"], strict=True):
                about = {"model": key, "source": str(source), "class": label, "faces": sum(counts)}
                lines.append(about | {"f1": details["per_class_f1"][label]})
    return lines


def hard_lines(facts: RunFacts) -> list[dict[str, Any]]:
    """Every model on the hard val rows and on all of them: model, kind, rows_of ("hard" or "all"),
    rows, scores with `_low` and `_high`.

    Only scores of the predicted class: whether a model is calibrated does not change these.
    """
    cases = facts.hard_cases
    lines: list[dict[str, Any]] = []
    if cases is None:
        return lines
    for key, found in cases["scores"].items():
        kind = (
            "teacher"
            if key in facts.scope.teachers
            else "student"
            if key in facts.models
            else "ensemble"
        )
        for part in ("hard", "all"):
            about = {
                "model": key,
                "kind": kind,
                "rows_of": part,
                "rows": cases["hard_rows" if part == "hard" else "val_rows"],
            }
            lines.append(about | _cells(found[part]["metrics"], OF_PREDICTIONS))
    return lines


def history_points(facts: RunFacts, keys: Sequence[str]) -> pd.DataFrame:
    """Training curves of these models, one line a model and epoch (from 0)."""
    parts = [facts.models[key].history[["epoch", *_HISTORY]].assign(model=key) for key in keys]
    columns = ["model", "epoch", *_HISTORY]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)[columns].round(6)


def confusion_points(facts: RunFacts) -> pd.DataFrame:
    """Label and prediction of the deployed student's file for each row of `compare_set`, in class
    order: actual, predicted.
    """
    evaluation = facts.deployed.evaluation
    mask = evaluation.sets[facts.scope.compare_set]
    calibrated = facts.deployed.calibration.file_logits(evaluation.test.eval[mask])
    pairs = np.column_stack(
        [evaluation.test.labels[mask].astype(np.int64), calibrated.argmax(axis=1)]
    )
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    names = np.array(CLASSES, dtype=object)
    return pd.DataFrame({"actual": names[pairs[:, 0]], "predicted": names[pairs[:, 1]]})


def reliability_points(facts: RunFacts, key: str) -> pd.DataFrame:
    """Reliability of a model on `compare_set`, empty bins left out: stage (raw, scaled, and the
    method that its file carries, if that is another), bin, confidence, accuracy, count.
    """
    model = facts.models[key]
    points = model.points
    points = points[
        (points["set"] == facts.scope.compare_set)
        & (points["count"] > 0)
        & points["stage"].isin(["raw", "scaled", model.calibration.carries])
    ]
    return points[["stage", "bin", "confidence", "accuracy", "count"]].reset_index(drop=True)


def _over_seeds(values: Sequence[float | None]) -> dict[str, float | None]:
    found = np.array([value for value in values if value is not None])
    if not len(found):
        return dict.fromkeys(("mean", "sd", "min", "max"))
    spread = round(float(found.std(ddof=1)), 6) if len(found) > 1 else None
    return {
        "mean": round(float(found.mean()), 6),
        "sd": spread,
        "min": float(found.min()),
        "max": float(found.max()),
    }


def _student_lines(key: str, model: ModelFacts, name: str) -> Iterator[dict[str, Any]]:
    """A student on a set: raw, calibrated, and at each fixed temperature, of which there are no
    intervals.
    """
    measured = model.reliability[name]

    def line(entry: str, calibrated: bool) -> dict[str, Any]:
        about = {"set": name, "entry": entry, "kind": "student", "calibrated": calibrated}
        return about | {"chosen": False, "space": "", "weights": "", "rows": measured["rows"]}

    for calibrated, stage in ((False, "raw"), (True, "temperature_scaled")):
        yield line(key, calibrated) | _cells(measured[stage]["metrics"])
    raw = _cells(measured["raw"]["metrics"])
    kept = {column: raw[column] for column in raw if column.startswith(OF_PREDICTIONS)}
    for fixed in model.evaluation.metrics[name].get("fixed_temperatures", []):
        surer = {metric: fixed[metric] for metric in METRICS if metric in fixed}
        rest = dict.fromkeys(raw, float("nan")) | kept | surer
        yield line(f"{key} T={fixed['temperature']:g}", False) | rest


def _cells(metrics: dict[str, Any], names: Sequence[str] = METRICS) -> dict[str, float]:
    return {
        f"{name}{suffix}": metrics[name][end]
        for name in names
        for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
