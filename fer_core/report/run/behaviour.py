"""The page's middle: how the models behave, class by class, in confidence, and while they were
trained.
"""

from collections.abc import Sequence

import pandas as pd

from fer_core.base.labels import CLASSES
from fer_core.export.card.carried import carried_words
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.run.results import number
from fer_core.report.run.tables import history_points, per_source_lines, reliability_points
from fer_core.report.shared.charts import Bins, Line, line_chart, line_style, reliability_diagram
from fer_core.report.shared.markup import (
    Markup,
    heat_cell,
    join,
    legend,
    section,
    table,
    tag,
    two_lines,
)

__all__ = ["calibration", "classes", "training"]

_FEW = 10
"""Faces of a bin from which on its accuracy says something."""


def classes(inputs: ReportInputs) -> Markup:
    """F1 of each class for everybody, by data set too, and where everybody errs."""
    name, deployed = inputs.selection.compare_set, inputs.selection.deployed
    ensemble = inputs.board_row("ensemble", True)["per_class_f1"]
    found = {
        tag_: inputs.models[tag_].evaluation.metrics[name]["per_class_f1"]
        for tag_ in inputs.selection.teachers
    }
    found |= {"ensemble": ensemble} | {
        key: model.evaluation.metrics[name]["per_class_f1"] for key, model in inputs.each_student()
    }
    rows = [[key, *(_f1_cell(values[label]) for label in CLASSES)] for key, values in found.items()]
    lines = pd.DataFrame(per_source_lines(inputs))
    others = [key for key in inputs.models if key != deployed]
    return section(
        "classes",
        "Class by class",
        table(["model", *CLASSES], rows, f"F1 of each class on {name}"),
        _sources(
            lines,
            deployed,
            f"F1 of {deployed} by data set and class of {name}; in brackets the faces of the class",
        ),
        _folded(
            "Other models by data set and class", [_sources(lines, key, key) for key in others]
        ),
        _confusion(inputs, deployed),
        _folded("Confusion of the other models", [_confusion(inputs, key) for key in others]),
    )


def _sources(lines: pd.DataFrame, key: str, caption: str) -> Markup:
    mine = lines[lines["model"] == key]
    rows = []
    for source, cells in mine.groupby("source", sort=True):
        heat = []
        for f1, faces in zip(cells["f1"], cells["faces"], strict=True):
            heat.append(
                heat_cell("–", 0) if pd.isna(f1) else heat_cell(f"{number(f1)} ({faces:,})", f1)
            )
        rows.append([source, *heat])
    return table(["data set", *CLASSES], rows, caption)


def _confusion(inputs: ReportInputs, key: str) -> Markup:
    name = inputs.selection.compare_set
    heat = []
    confusion = inputs.models[key].evaluation.metrics[name]["confusion"]
    for i, label in enumerate(CLASSES):
        total = sum(confusion[i])
        cells = [
            heat_cell(
                f"{100 * n / total:.0f} %" if total else "–", n / total if total else 0, i == j
            )
            for j, n in enumerate(confusion[i])
        ]
        heat.append([label, *cells, f"{total:,}"])
    caption = (
        f"Confusion of {key} on {name}: share of each actual class (row) that is called so (column)"
    )
    return table(["actual \\ predicted", *CLASSES, "faces"], heat, caption)


def calibration(inputs: ReportInputs) -> Markup:
    """Reliability of every model before and after its temperature, and what the temperature does to
    each metric.
    """
    name, deployed = inputs.selection.compare_set, inputs.selection.deployed
    rows = []
    for key, model in inputs.models.items():
        measured = model.reliability[name]
        raw, scaled = (measured[stage]["metrics"] for stage in ("raw", "temperature_scaled"))
        floor = two_lines(
            number(measured["ece_floor"]["mean"]),
            f"95 % below {number(measured['ece_floor']['p95'])}",
        )
        pairs = [
            two_lines(
                f"{number(raw[what]['value'])} → {number(scaled[what]['value'])}",
                f"{number(scaled[what]['low'])} to {number(scaled[what]['high'])}",
            )
            for what in ("ece", "ace", "nll", "brier")
        ]
        rows.append([key, f"{model.calibration.temperature:.4g}", *pairs, floor])
    head = ["model", "temperature", "ECE", "ACE", "NLL", "Brier", "ECE if perfectly calibrated"]
    caption = (
        f"Fitted on {inputs.deployed.calibration.n:,} calib rows, measured on {name}: before → "
        "after, and below it the 95 % confidence "
        "interval of the value after"
    )
    others = [_reliability(inputs, key) for key in inputs.models if key != deployed]
    return section(
        "calibration",
        "Are the probabilities right?",
        _reliability(inputs, deployed),
        _folded(
            "Reliability of the other models",
            [tag("div", *others, class_="charts")] if others else [],
        ),
        table(head, rows, caption),
        _methods(inputs),
        tag(
            "p", carried_words(inputs.deployed.calibration, inputs.deployed.reliability[name], name)
        ),
    )


def _reliability(inputs: ReportInputs, key: str) -> Markup:
    """The diagram of a model before and after temperature scaling."""
    name, points = inputs.selection.compare_set, reliability_points(inputs, key)
    lines = []
    for stage, words in (("raw", "before"), ("scaled", "after temperature scaling")):
        mine = points[(points["stage"] == stage) & (points["count"] >= _FEW)]
        lines.append(
            Bins(words, *(mine[column].tolist() for column in ("confidence", "accuracy", "count")))
        )
    title = f"Reliability of {key} on {name}"
    words = f"{title}: the dotted diagonal is perfect calibration; larger dots hold more faces, and bins of fewer than {_FEW} are left out."
    return tag(
        "figure",
        reliability_diagram(lines, title),
        legend([(line_style(place), line.name) for place, line in enumerate(lines)]),
        tag("figcaption", words),
    )


def _methods(inputs: ReportInputs) -> Markup:
    """Every method of calibration that was fitted to the deployed student, and the one that
    cross-validation chose.
    """
    model, name = inputs.deployed, inputs.selection.compare_set
    choice = model.calibration.choice
    rows = []
    for method, fitted in choice.methods.items():
        cv = (
            "–"
            if fitted.cv_nll is None
            else f"{number(fitted.cv_nll)} ± {number(fitted.cv_nll_se or 0)}"
        )
        measured = model.reliability[name][
            "temperature_scaled" if method == "temperature" else method
        ]["metrics"]
        title = f"{method.replace('_', ' ')}{' (chosen)' if method == choice.chosen else ''}"
        cells = [
            two_lines(number(found["value"]), f"{number(found['low'])} to {number(found['high'])}")
            for found in (measured["nll"], measured["ece"])
        ]
        rows.append([title, number(fitted.nll), cv, *cells])
    rows += [
        [f"{method.replace('_', ' ')} (not fitted)", "–", "–", "–", "–"]
        for method in choice.refused
    ]
    caption = (
        f"Methods of calibration for {inputs.selection.deployed}: the simplest within one standard "
        "error of the best cross-validated NLL "
        f"({choice.folds} folds of calib rows) is chosen; below a value its 95 % confidence "
        "interval"
    )
    why = [
        tag("p", f"{method.replace('_', ' ').capitalize()}: {reason}", class_="note")
        for method, reason in choice.refused.items()
    ]
    return join(
        [
            table(
                ["method", "calib NLL", "cross-validated NLL", f"NLL on {name}", f"ECE on {name}"],
                rows,
                caption,
            ),
            *why,
        ]
    )


def training(inputs: ReportInputs) -> Markup:
    """Training curves of teachers and students."""
    selection = inputs.selection
    parts = []
    for who, keys in (("Students", selection.students), ("Teachers", selection.teachers)):
        charts = [
            _curves(inputs, keys, "val_macro_f1", f"{who}: macro-F1 of val rows", "val macro-F1"),
            _curves(inputs, keys, "val_nll", f"{who}: NLL of val rows", "val NLL"),
            _curves(inputs, keys, "train_loss", f"{who}: training loss", "train loss"),
        ]
        names = legend([(line_style(place), key) for place, key in enumerate(keys)])
        parts.append(tag("div", tag("h3", who), names, tag("div", *charts, class_="charts")))
    note = "Epochs count from 0. Losses of different methods are different quantities: compare their course, not their height."
    return section("training", "Training", tag("p", note, class_="note"), *parts)


def _f1_cell(value: float | None) -> Markup:
    return heat_cell("–", 0) if value is None else heat_cell(number(value), value)


def _curves(
    inputs: ReportInputs, keys: Sequence[str], column: str, title: str, y_name: str
) -> Markup:
    points = history_points(inputs, keys)
    lines = []
    for key in keys:
        mine = points[points["model"] == key]
        lines.append(Line(key, mine["epoch"].tolist(), mine[column].tolist()))
    return tag("figure", line_chart(lines, title, "epoch", y_name), tag("figcaption", title))


def _folded(title: str, parts: Sequence[Markup]) -> Markup | None:
    return (
        tag(
            "details",
            tag("summary", f"{title} ({len(parts)})" if len(parts) > 1 else title),
            *parts,
        )
        if parts
        else None
    )
