"""The page's middle: how the models behave, class by class, in confidence, and while they were trained."""

from collections.abc import Sequence

from fer_core.labels import CLASSES
from fer_core.report.charts import Line, line_chart, line_style, reliability_diagram
from fer_core.report.inputs import ReportInputs
from fer_core.report.markup import Markup, heat_cell, join, legend, section, table, tag
from fer_core.report.results import number
from fer_core.report.tables import history_points, reliability_points

__all__ = ["calibration", "classes", "training"]


def classes(inputs: ReportInputs) -> Markup:
    """F1 of each class for everybody, and where the deployed student errs."""
    name = inputs.selection.compare_set
    ensemble = inputs.board_row("ensemble", True)["per_class_f1"]
    found = {tag_: inputs.models[tag_].evaluation.metrics[name]["per_class_f1"] for tag_ in inputs.selection.teachers}
    found |= {"ensemble": ensemble} | {key: model.evaluation.metrics[name]["per_class_f1"] for key, model in inputs.each_student()}
    rows = [[key, *(_f1_cell(values[label]) for label in CLASSES)] for key, values in found.items()]
    confusion = inputs.deployed.evaluation.metrics[name]["confusion"]
    heat = []
    for i, label in enumerate(CLASSES):
        total = sum(confusion[i])
        cells = [
            heat_cell(f"{100 * n / total:.0f} %" if total else "–", n / total if total else 0, i == j) for j, n in enumerate(confusion[i])
        ]
        heat.append([label, *cells, f"{total:,}"])
    return section(
        "classes",
        "Class by class",
        table(["model", *CLASSES], rows, f"F1 of each class on {name}"),
        table(
            ["actual \\ predicted", *CLASSES, "faces"],
            heat,
            f"Confusion of {inputs.selection.deployed} on {name}: share of each actual class (row) that is called so (column)",
        ),
    )


def calibration(inputs: ReportInputs) -> Markup:
    """Reliability of the deployed student before and after, and every model's temperature."""
    name, points = inputs.selection.compare_set, reliability_points(inputs)
    lines = []
    for stage, words in (("raw", "before"), ("scaled", "after temperature scaling")):
        mine = points[points["stage"] == stage]
        lines.append(Line(words, mine["confidence"].tolist(), mine["accuracy"].tolist()))
    title = f"Reliability of {inputs.selection.deployed} on {name}"
    figure = tag(
        "figure",
        reliability_diagram(lines, title),
        legend([(line_style(place), line.name) for place, line in enumerate(lines)]),
        tag("figcaption", f"{title}: the dotted diagonal is perfect calibration."),
    )
    rows = []
    for key, model in inputs.models.items():
        measured = model.reliability[name]
        raw, scaled = (measured[stage]["metrics"] for stage in ("raw", "temperature_scaled"))
        floor = f"{number(measured['ece_floor']['mean'])} (95 % below {number(measured['ece_floor']['p95'])})"
        pairs = [f"{number(raw[what]['value'])} → {number(scaled[what]['value'])}" for what in ("ece", "ace", "nll", "brier")]
        rows.append([key, f"{model.calibration.temperature:.4g}", *pairs, floor])
    head = ["model", "temperature", "ECE", "ACE", "NLL", "Brier", "ECE if perfectly calibrated"]
    caption = f"Fitted on {inputs.deployed.calibration.n:,} calib rows, measured on {name}: before → after"
    return section("calibration", "Are the probabilities right?", figure, table(head, rows, caption), _methods(inputs))


def _methods(inputs: ReportInputs) -> Markup:
    """Every method of calibration that was fitted to the deployed student, and the one that cross-validation chose."""
    model, name = inputs.deployed, inputs.selection.compare_set
    choice = model.calibration.choice
    rows = []
    for method, fitted in choice.methods.items():
        cv = "–" if fitted.cv_nll is None else f"{number(fitted.cv_nll)} ± {number(fitted.cv_nll_se or 0)}"
        measured = model.reliability[name]["temperature_scaled" if method == "temperature" else method]["metrics"]
        title = f"{method.replace('_', ' ')}{' (chosen)' if method == choice.chosen else ''}"
        rows.append([title, number(fitted.nll), cv, number(measured["nll"]["value"]), number(measured["ece"]["value"])])
    rows += [[f"{method.replace('_', ' ')} (not fitted)", "–", "–", "–", "–"] for method in choice.refused]
    caption = (
        f"Methods of calibration for {inputs.selection.deployed}: the simplest within one standard error of the best cross-validated NLL "
        f"({choice.folds} folds of calib rows) is chosen; an exported file holds the temperature"
    )
    why = [tag("p", f"{method.replace('_', ' ').capitalize()}: {reason}", class_="note") for method, reason in choice.refused.items()]
    return join([table(["method", "calib NLL", "cross-validated", f"NLL on {name}", f"ECE on {name}"], rows, caption), *why])


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


def _curves(inputs: ReportInputs, keys: Sequence[str], column: str, title: str, y_name: str) -> Markup:
    points = history_points(inputs, keys)
    lines = []
    for key in keys:
        mine = points[points["model"] == key]
        lines.append(Line(key, mine["epoch"].tolist(), mine[column].tolist()))
    return tag("figure", line_chart(lines, title, "epoch", y_name), tag("figcaption", title))
