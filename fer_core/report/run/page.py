"""The page as one self-contained HTML file: no script, no font, and pictures that are part of
it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fer_core.dataset.pack.pack import Pack
from fer_core.report.run.behaviour import calibration, classes, training
from fer_core.report.run.deployment import export, latency
from fer_core.report.run.hard import hard_cases
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.run.mistakes import mistakes
from fer_core.report.run.origins import data, teachers
from fer_core.report.run.provenance import provenance
from fer_core.report.run.results import comparison, facts, headline, leaderboard
from fer_core.report.shared.markup import document, tag
from fer_core.report.shared.style import STYLE

__all__ = ["render_page"]

_TITLE = "Facial-expression recognition: results"
_CONTENTS = (
    ("methods", "Methods"),
    ("leaderboard", "Leaderboard"),
    ("classes", "Classes"),
    ("calibration", "Calibration"),
    ("mistakes", "Worst mistakes"),
    ("hard", "Hard cases"),
    ("training", "Training"),
    ("teachers", "Teachers"),
    ("data", "Data"),
    ("onnx", "Exported files"),
    ("latency", "Latency"),
    ("provenance", "Provenance"),
)


def render_page(
    inputs: ReportInputs,
    dev: Pack,
    test: Pack,
    params: Mapping[str, Any],
    made_with: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> str:
    """The whole page; the same text for the same artifacts.

    Args:
        inputs: everything that is shown.
        dev, test: the faces.
        params: sections of params.yaml, shown as they are.
        made_with: what the page is made with, see `surroundings`.
        warnings: what the reader should know before the numbers.
    """
    sections = [
        comparison(inputs),
        leaderboard(inputs),
        classes(inputs),
        calibration(inputs),
        mistakes(inputs, test),
        hard_cases(inputs, dev),
        training(inputs),
        teachers(inputs),
        data(inputs),
        export(inputs),
        latency(inputs),
        provenance(inputs, params, made_with),
    ]
    contents = tag(
        "nav",
        *(tag("a", name, href=f"#{anchor}") for anchor, name in _CONTENTS),
        aria_label="Contents",
    )
    warned = [tag("p", warning, class_="warning", role="note") for warning in warnings]
    return document(
        _TITLE,
        STYLE,
        tag(
            "main", tag("h1", _TITLE), headline(inputs), *warned, facts(inputs), contents, *sections
        ),
    )
