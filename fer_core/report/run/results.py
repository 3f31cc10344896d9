"""The page's first half: what was reached, which method is better, and everybody side by side."""

from typing import Any

from fer_core.report.run.inputs import Model, ReportInputs
from fer_core.report.run.tables import leaderboard_lines, students_lines
from fer_core.report.shared.charts import Interval, forest
from fer_core.report.shared.markup import Markup, join, section, table, tag

__all__ = ["bounds", "comparison", "facts", "headline", "kibibytes", "leaderboard", "number"]

_SPREAD = (
    ("macro_f1", "macro-F1"),
    ("accuracy", "accuracy"),
    ("minority_f1", "minority-F1"),
    ("nll_nats", "NLL raw"),
    ("nll_scaled_nats", "NLL scaled"),
    ("ece", "ECE raw"),
    ("ece_scaled", "ECE scaled"),
)


def headline(inputs: ReportInputs) -> Markup:
    """The result in words."""
    name, key = inputs.selection.compare_set, inputs.selection.deployed
    measured, model = _of(inputs.deployed, name), inputs.deployed
    raw, scaled = (
        model.reliability[name][stage]["metrics"]["ece"] for stage in ("raw", "temperature_scaled")
    )
    fused, floor = (
        inputs.board_row("ensemble", True)["metrics"]["macro_f1"],
        model.reliability[name]["ece_floor"],
    )
    sentences = [
        f"The deployed student {key} ({inputs.exports[0]['arch']}) reaches macro-F1 "
        f"{bounds(measured['macro_f1'])} "
        f"and accuracy {bounds(measured['accuracy'])} on {name}, "
        f"{model.reliability[name]['rows']:,} test faces.",
        f"The ensemble of its teachers reaches macro-F1 {bounds(fused)}.",
        f"One temperature, {model.calibration.temperature:.4g}, fitted on calib rows, takes the "
        "student's expected calibration error from "
        f"{number(raw['value'])} to {number(scaled['value'])}; a perfectly calibrated model would "
        f"show about {number(floor['mean'])} "
        "on this many rows.",
    ]
    verdicts = " ".join(promotion.reason for promotion in inputs.promotions)
    lines = [
        tag("p", " ".join(sentences), class_="lead"),
        tag("p", f"The file to use here is {inputs.recommended['file']}. {verdicts}"),
    ]
    if all(source.startswith("sample_") for source in inputs.validation["counts"]["by_source"]):
        lines.append(
            tag(
                "p",
                "All faces are drawn by the embedded sample: the numbers show that the pipeline "
                "works, not how well it reads people.",
            )
        )
    return join(lines)


def facts(inputs: ReportInputs) -> Markup:
    """The deployed student in six numbers."""
    name, model = inputs.selection.compare_set, inputs.deployed
    raw, scaled = (
        model.reliability[name][stage]["metrics"] for stage in ("raw", "temperature_scaled")
    )
    file = inputs.recommended
    agreement = inputs.parity["precisions"][file["precision"]]["agreement"]
    entries = [
        ("Macro-F1", number(raw["macro_f1"]["value"]), _range(raw["macro_f1"])),
        ("Accuracy", number(raw["accuracy"]["value"]), _range(raw["accuracy"])),
        ("Minority-F1", number(raw["minority_f1"]["value"]), _range(raw["minority_f1"])),
        (
            "ECE, calibrated",
            number(scaled["ece"]["value"]),
            f"{number(raw['ece']['value'])} before",
        ),
        ("File to use", kibibytes(file["bytes"]), f"ONNX, {file['precision']}"),
        (
            "It agrees with the network",
            f"{100 * agreement:.2f} %",
            f"on {inputs.parity['rows_used']:,} test faces",
        ),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", what), tag("dd", value, tag("small", more)))
            for what, value, more in entries
        ),
        class_="facts",
    )


def comparison(inputs: ReportInputs) -> Markup:
    """Methods against each other, in the words of the comparison, and their spread over seeds."""
    found = inputs.comparison
    parts = [tag("li", pair["verdict"]) for pair in found["pairs"]]
    body = [tag("ul", *parts) if parts else tag("p", "No two methods were compared.")]
    if found["refused"]:
        refused = [
            tag("li", f"{pair['a']} and {pair['b']}: {'; '.join(pair['reasons'])}")
            for pair in found["refused"]
        ]
        body += [tag("h3", "Refused: not the same budget"), tag("ul", *refused)]
    seeds = {
        (line["method"], line["metric"]): line
        for line in students_lines(inputs, inputs.selection.compare_set)
    }
    rows = []
    for method in inputs.selection.methods:
        cells = [_spread(seeds[method, metric]) for metric, _ in _SPREAD]
        rows.append([method, len(inputs.selection.seeds), *cells])
    caption = f"Mean over seeds on {found['set']}, ± standard deviation where there are several"
    body.append(table(["method", "seeds", *(title for _, title in _SPREAD)], rows, caption))
    return section("methods", "Which method is better?", *body)


def leaderboard(inputs: ReportInputs) -> Markup:
    """Everybody on the set, drawn and as numbers; the other sets folded away."""
    board = leaderboard_lines(inputs)
    name = inputs.selection.compare_set
    here = [line for line in board if line["set"] == name]
    style = {"teacher": "s0", "ensemble": "s3", "student": "s1"}
    # the prediction is the same before and after calibration: one line of the drawing each
    drawn = [line for line in here if line["calibrated"]]
    intervals = [
        Interval(
            line["entry"],
            style[line["kind"]],
            line["macro_f1"],
            line["macro_f1_low"],
            line["macro_f1_high"],
        )
        for line in drawn
    ]
    title = f"Macro-F1 on {name} with 95 % confidence intervals"
    kinds = "Blue: teachers. Purple: ensembles of calibrated teachers. Orange: students."
    bound = next(row for row in inputs.oracles if row["set"] == name)["metrics"]
    attainable = (
        "A rule that always picked a teacher who is right, where there is one, would reach "
        f"macro-F1 {bounds(bound['macro_f1'])} and "
        f"accuracy {bounds(bound['accuracy'])}: no choice among the teachers' answers can do "
        "better, and nobody can build it."
    )
    figure = tag(
        "figure", forest(intervals, title, "macro-F1"), tag("figcaption", f"{title}. {kinds}")
    )
    rest = dict.fromkeys(line["set"] for line in board if line["set"] != name)
    others = [
        _board_table([line for line in board if line["set"] == other], other) for other in rest
    ]
    more = (
        tag("details", tag("summary", f"The other test sets ({len(others)})"), *others)
        if others
        else None
    )
    return section(
        "leaderboard",
        "Leaderboard",
        figure,
        _board_table(here, name),
        tag("p", attainable, class_="note"),
        more,
    )


def bounds(interval: dict[str, float]) -> str:
    """A value with its 95 % interval, for a sentence."""
    return f"{number(interval['value'])} ({_range(interval)})"


def number(value: float) -> str:
    """Three decimals."""
    return f"{value:.3f}"


def kibibytes(count: int) -> str:
    """A file's size."""
    return f"{count / 1024:,.0f} KiB"


def _board_table(lines: list[dict[str, Any]], name: str) -> Markup:
    """One line a model: calibration leaves the predictions, and so the first scores, as they
    are.
    """
    rows = []
    for entry in dict.fromkeys(line["entry"] for line in lines):
        both = {line["calibrated"]: line for line in lines if line["entry"] == entry}
        line = both.get(True) or both[False]  # at a fixed temperature nothing is calibrated
        scores = [
            f"{number(line[m])} [{number(line[f'{m}_low'])}, {number(line[f'{m}_high'])}]"
            for m in ("macro_f1", "accuracy")
        ]
        pairs = [
            number(both[stage][m]) if stage in both else "–"
            for m in ("nll", "ece")
            for stage in (False, True)
        ]
        rows.append(
            [
                f"{entry} (chosen)" if line["chosen"] else entry,
                line["kind"],
                *scores,
                number(line["minority_f1"]),
                *pairs,
            ]
        )
    caption = f"{name}: {lines[0]['rows']:,} faces; in brackets 95 % confidence intervals (bootstrap over test rows)"
    return table(
        [
            "model",
            "kind",
            "macro-F1",
            "accuracy",
            "minority-F1",
            "NLL raw",
            "NLL scaled",
            "ECE raw",
            "ECE scaled",
        ],
        rows,
        caption,
    )


def _of(model: Model, name: str) -> dict[str, dict[str, float]]:
    return model.evaluation.metrics[name]["metrics"]


def _range(interval: dict[str, float]) -> str:
    return f"95 % CI {number(interval['low'])} to {number(interval['high'])}"


def _spread(line: dict[str, Any]) -> str:
    return (
        number(line["mean"])
        if line["seeds"] == 1
        else f"{number(line['mean'])} ± {number(line['sd'])}"
    )
