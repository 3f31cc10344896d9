"""The tables that live in git: leaderboard, comparison, cross-seed summary, and the points of the plots."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fer_core.evaluation.comparison_report import comparison_frame
from fer_core.evaluation.metrics import METRICS
from fer_core.labels import CLASSES
from fer_core.report.inputs import ReportInputs
from fer_core.report.summary import MODEL_METRICS, model_metrics

__all__ = [
    "comparison_table",
    "confusion_points",
    "history_points",
    "leaderboard_lines",
    "reliability_points",
    "students_lines",
]

_HISTORY = ("phase", "train_loss", "train_accuracy", "val_accuracy", "val_macro_f1", "val_nll")


def leaderboard_lines(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Teachers, ensembles and students, raw and calibrated, on every named test set, by falling macro-F1.

    Returns:
        set, entry, kind (teacher, ensemble, student), calibrated, chosen, space, weights, rows, and each metric with `_low` and `_high`.
    """
    lines = []
    for row in inputs.board:
        kind = "teacher" if row["entry"].partition(" T=")[0] in inputs.selection.teachers else "ensemble"
        about = {"set": row["set"], "entry": row["entry"], "kind": kind, "calibrated": row["calibrated"], "chosen": row["chosen"]}
        weights = " ".join(f"{tag}={weight:.6g}" for tag, weight in row["weights"].items()) if kind == "ensemble" else ""
        lines.append(about | {"space": row["space"], "weights": weights, "rows": row["rows_used"]} | _cells(row["metrics"]))
    for key, model in inputs.each_student():
        for name in model.evaluation.sets:
            measured = model.reliability[name]
            for calibrated, stage in ((False, "raw"), (True, "temperature_scaled")):
                about = {"set": name, "entry": key, "kind": "student", "calibrated": calibrated, "chosen": False}
                lines.append(about | {"space": "", "weights": "", "rows": measured["rows"]} | _cells(measured[stage]["metrics"]))
    order = {name: place for place, name in enumerate(inputs.deployed.evaluation.sets)}
    return sorted(lines, key=lambda line: (order[line["set"]], -line["macro_f1"]))


def comparison_table(inputs: ReportInputs) -> pd.DataFrame:
    """One line a pair of methods and set: differences with 95 % intervals, p-values, rows, and the verdict (see `comparison_frame`)."""
    return comparison_frame(inputs.comparison)


def students_lines(inputs: ReportInputs, set_name: str) -> list[dict[str, Any]]:
    """Each method over its seeds on a named test set: set, method, metric, seeds, mean, sd (of a sample; empty for one seed), min, max."""
    lines = []
    for method in inputs.selection.methods:
        runs = [model_metrics(inputs.models[f"{method}-{seed}"], set_name) for seed in inputs.selection.seeds]
        for metric in MODEL_METRICS:
            values = np.array([run[metric] for run in runs])
            spread = round(float(values.std(ddof=1)), 6) if len(values) > 1 else None
            lines.append(
                {
                    "set": set_name,
                    "method": method,
                    "metric": metric,
                    "seeds": len(values),
                    "mean": round(float(values.mean()), 6),
                    "sd": spread,
                    "min": float(values.min()),
                    "max": float(values.max()),
                }
            )
    return lines


def history_points(inputs: ReportInputs, keys: Sequence[str]) -> pd.DataFrame:
    """Training curves of these models, one line a model and epoch (from 0)."""
    parts = [inputs.models[key].history[["epoch", *_HISTORY]].assign(model=key) for key in keys]
    return pd.concat(parts, ignore_index=True)[["model", "epoch", *_HISTORY]].round(6)


def confusion_points(inputs: ReportInputs) -> pd.DataFrame:
    """Label and prediction of the deployed student for each row of `compare_set`, in class order: actual, predicted."""
    evaluation = inputs.deployed.evaluation
    mask = evaluation.sets[inputs.selection.compare_set]
    pairs = np.column_stack([evaluation.test.labels[mask].astype(np.int64), evaluation.test.eval[mask].argmax(axis=1)])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    names = np.array(CLASSES, dtype=object)
    return pd.DataFrame({"actual": names[pairs[:, 0]], "predicted": names[pairs[:, 1]]})


def reliability_points(inputs: ReportInputs) -> pd.DataFrame:
    """Reliability of the deployed student on `compare_set`, empty bins left out: stage (raw, scaled), bin, confidence, accuracy, count."""
    points = inputs.deployed.points
    # a deployed file holds a temperature, so the points of the other methods of calibration are not its own
    points = points[(points["set"] == inputs.selection.compare_set) & (points["count"] > 0) & points["stage"].isin(["raw", "scaled"])]
    return points[["stage", "bin", "confidence", "accuracy", "count"]].reset_index(drop=True)


def _cells(metrics: dict[str, Any]) -> dict[str, float]:
    return {
        f"{name}{suffix}": metrics[name][end] for name in METRICS for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
    }
