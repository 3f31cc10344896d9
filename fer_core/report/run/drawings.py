"""The rows behind the report's charts."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from fer_core.base.labels import CLASSES
from fer_core.report.charts.render import draw, draw_both
from fer_core.report.facts.collect import RunFacts
from fer_core.report.facts.tables import history_points, reliability_points

__all__ = [
    "class_chart",
    "curves",
    "difference_chart",
    "latency_chart",
    "leaderboard_chart",
    "reliability_chart",
]

FEW = 10
"""Faces of a bin from which on its accuracy says something."""
_KINDS = ["teacher", "student", "ensemble", "deployed"]
_STAGES = {
    "raw": "before",
    "scaled": "after the temperature",
    "bias_corrected": "after a bias of each class",
    "vector": "after a scale and bias of each class",
}
_SCOPES = {"model": "network alone", "crop": "from face crops"}


def difference_chart(facts: RunFacts, set_name: str) -> Markup | None:
    """Paired differences of macro-F1 with their intervals; None where nothing was compared."""
    rows = []
    for pair in facts.comparison["pairs"]:
        if pair["set"] == set_name and (found := pair["delta_macro_f1"]):
            ahead = "better" if found["value"] > 0 else "worse"
            kind = ahead if pair["shown"] else "not shown"
            label = f"{found['value']:+.3f}"
            rows.append(
                {"name": f"{pair['a']} − {pair['b']}", "kind": kind, "label": label, **found}
            )
    title = f"Difference in macro-F1 on {set_name}"
    kinds = ["better", "worse", "not shown"]
    return _intervals(rows, title, kinds, title, [{"at": 0}]) if rows else None


def leaderboard_chart(facts: RunFacts, lines: Sequence[dict[str, Any]]) -> Markup:
    """Macro-F1 of everybody with its interval, on the set of the lines."""
    rows = [
        {
            "name": line["entry"],
            "kind": _kind(facts, line["entry"]),
            "value": line["macro_f1"],
            "low": line["macro_f1_low"],
            "high": line["macro_f1_high"],
            "label": f"{line['macro_f1']:.3f}",
        }
        for line in lines
        if line["calibrated"]  # predictions are the same before and after a temperature
    ]
    return _intervals(rows, f"Macro-F1 on {lines[0]['set']}", _KINDS, "macro-F1")


def class_chart(f1: dict[str, dict[str, float | None]], facts: RunFacts) -> Markup:
    """F1 of each class, a dot a model."""
    rows = [
        {"name": label, "of": key, "kind": _kind(facts, key), "value": found[label], "label": ""}
        | {"low": found[label], "high": found[label]}
        for label in CLASSES
        for key, found in f1.items()
        if found[label] is not None
    ]
    return _intervals(rows, "F1 of each class, a dot for each model", _KINDS, "F1")


def reliability_chart(facts: RunFacts, key: str) -> Markup:
    """Accuracy over confidence of a model, before calibration and after."""
    points = reliability_points(facts, key)
    points = points[points["count"] >= FEW].assign(stage=lambda rows: rows["stage"].map(_STAGES))
    title = f"Reliability of {key} on {facts.scope.compare_set}"
    return draw(
        "reliability",
        points.to_dict("records"),
        title,
        x="confidence",
        x_label="confidence",
        y="accuracy",
        y_label="accuracy",
    )


def curves(facts: RunFacts, keys: Sequence[str], column: str, title: str) -> Markup:
    """A column of the training histories over epochs, a line a model."""
    points = history_points(facts, keys)[["model", "epoch", column]].dropna()
    return draw(
        "lines_by_model",
        points.to_dict("records"),
        title,
        x="epoch",
        x_label="epoch",
        y=column,
        y_label=title,
    )


def latency_chart(timed: pd.DataFrame) -> Markup:
    """Milliseconds of a call of each file at one thread or more: a dot at p50, a line to p99."""
    several = timed["provider"].nunique() > 1
    timed = timed.assign(
        file=timed["precision"].where(timed["model"] != "reference", "reference"),
        where=(" on " + timed["provider"]) if several else "",
    )
    rows = [
        {
            "name": f"{line['file']}{line['where']}, {line['threads']} threads",
            "kind": _SCOPES[line["scope"]],
            "value": line["p50_ms"],
            "low": line["p50_ms"],
            "high": line["p99_ms"],
            "label": "",
        }
        for line in timed.to_dict("records")
    ]
    title = "Milliseconds of a call: the dot is p50, the line ends at p99"
    return _intervals(rows, title, [*_SCOPES.values()], "ms", from_zero=True)


def _kind(facts: RunFacts, key: str) -> str:
    if key == facts.scope.deployed:
        return "deployed"
    if key in facts.models:
        return facts.models[key].evaluation.kind
    return "ensemble"


def _intervals(
    rows: list[dict[str, Any]],
    title: str,
    kinds: list[str],
    x_label: str,
    reference: Sequence[dict[str, float]] = (),
    from_zero: bool = False,
) -> Markup:
    return draw_both(
        "intervals",
        rows,
        title,
        kinds=kinds,
        x_label=x_label,
        reference=list(reference),
        from_zero=from_zero,
    )
