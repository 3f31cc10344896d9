"""A run in numbers: the headline that `dvc metrics diff` compares between commits and branches, and
the summary that pages compare.
"""

from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.report.facts.collect import ModelFacts, RunFacts

__all__ = [
    "MODEL_METRICS",
    "ensemble_metrics",
    "headline",
    "model_metrics",
    "student_metrics",
    "summary",
]

_DIGITS = 6
_SPLITS = ("train", "val", "calib", "test", "dropped")
MODEL_METRICS = (
    "macro_f1",
    "accuracy",
    "minority_f1",
    "nll_nats",
    "nll_scaled_nats",
    "ece",
    "ece_scaled",
    "temperature",
)
"""What a model is summed up in; `_scaled` is with its temperature, which leaves the first three as
they are.
"""


def summary(facts: RunFacts) -> dict[str, Any]:
    """Plain values for JSON under stable keys: data, <set>.<model>.<metric>, onnx.<precision>; six
    decimals.

    The set is `evaluation.compare_set`. The ensemble has no raw probabilities, so only `_scaled`
    ones are given.

    Raises:
        ParamsError: the set is called as another key of the file is.
    """
    name = facts.scope.compare_set
    if name in ("data", "onnx"):
        raise ParamsError(
            "This name of a set is taken in metrics/summary.json.",
            where=f"params.yaml: sets.{name}",
            remedy="call it otherwise",
        )
    models = {key: model_metrics(model, name) for key, model in facts.models.items()}
    return {
        "data": _data(facts),
        name: ({"ensemble": ensemble_metrics(facts)} if facts.ensemble else {}) | models,
        "onnx": _onnx(facts),
    }


def headline(facts: RunFacts) -> dict[str, float]:
    """The answers of the deployed student's file on `compare_set` in five numbers, for DVC."""
    metrics = facts.deployed.of_file(facts.scope.compare_set)["metrics"]
    named = {name: name for name in ("macro_f1", "accuracy", "minority_f1")}
    named |= {"nll_scaled_nats": "nll", "ece_scaled": "ece"}
    return {key: round(metrics[name]["value"], _DIGITS) for key, name in named.items()}


def model_metrics(model: ModelFacts, set_name: str) -> dict[str, float]:
    """`MODEL_METRICS` of one model on a set."""
    raw, scaled = (
        model.reliability[set_name][stage]["metrics"] for stage in ("raw", "temperature_scaled")
    )
    values = {
        **{name: raw[name]["value"] for name in ("macro_f1", "accuracy", "minority_f1")},
        "nll_nats": raw["nll"]["value"],
        "nll_scaled_nats": scaled["nll"]["value"],
        "ece": raw["ece"]["value"],
        "ece_scaled": scaled["ece"]["value"],
        "temperature": model.calibration.temperature,
    }
    return {name: round(value, _DIGITS) for name, value in values.items()}


def student_metrics(model: ModelFacts, set_name: str) -> dict[str, float | None]:
    """`MODEL_METRICS` of one model on a set, Brier score and equal-mass ECE raw and scaled, and
    F1 of each class.

    F1 is called f1_<class>; None for a class without rows in the set.
    """
    measured = model.reliability[set_name]
    raw, scaled = (measured[stage]["metrics"] for stage in ("raw", "temperature_scaled"))
    values: dict[str, float | None] = dict(model_metrics(model, set_name))
    for name in ("brier", "ece_equal_mass"):
        values |= {
            name: round(raw[name]["value"], _DIGITS),
            f"{name}_scaled": round(scaled[name]["value"], _DIGITS),
        }
    return values | {f"f1_{label}": f1 for label, f1 in measured["raw"]["per_class_f1"].items()}


def ensemble_metrics(facts: RunFacts) -> dict[str, float]:
    """The chosen weighting of the calibrated teachers on `compare_set`, at its fused
    temperature.
    """
    assert facts.ensemble is not None
    measured = facts.board_row("ensemble", True)["metrics"]
    values = {
        **{name: measured[name]["value"] for name in ("macro_f1", "accuracy", "minority_f1")},
        "nll_scaled_nats": measured["nll"]["value"],
        "ece_scaled": measured["ece"]["value"],
        "temperature": facts.ensemble.chosen.temperature,
    }
    return {name: round(value, _DIGITS) for name, value in values.items()}


def _data(facts: RunFacts) -> dict[str, Any]:
    validation = facts.validation
    return {
        **{f"rows_{split}": validation["rows_by_split"][split] for split in _SPLITS},
        "rows_dropped_by_reason": dict(sorted(validation["dropped"]["by_reason"].items())),
        "rows_of_set": dict(validation["sets"]),
    }


def _onnx(facts: RunFacts) -> dict[str, Any]:
    values = {}
    for record in facts.exports:
        figures = facts.parity["precisions"][record["precision"]]
        values[record["precision"]] = {
            "size_bytes": record["bytes"],
            "max_logit_difference": figures["maxabsdiff"],
            "max_logit_difference_over_scale": figures["relative"],
            "max_probability_difference": figures["max_probability_diff"],
            "mean_kl_nats": figures["kl"],
            "class_agreement": round(figures["agreement"], _DIGITS),
            "macro_f1": round(figures["macro_f1"], _DIGITS),
        }
    return values
