"""The page as one self-contained HTML file: no script, no font, no picture and no address outside it."""

from collections.abc import Mapping
from typing import Any

from fer_core.report.behaviour import calibration, classes, training
from fer_core.report.inputs import ReportInputs
from fer_core.report.markup import document, tag
from fer_core.report.origins import data, export, provenance, teachers
from fer_core.report.results import comparison, facts, headline, leaderboard
from fer_core.report.style import STYLE

__all__ = ["render_page"]

_TITLE = "Facial-expression recognition: results"
_CONTENTS = (
    ("methods", "Methods"),
    ("leaderboard", "Leaderboard"),
    ("classes", "Classes"),
    ("calibration", "Calibration"),
    ("training", "Training"),
    ("teachers", "Teachers"),
    ("data", "Data"),
    ("onnx", "Exported files"),
    ("provenance", "Provenance"),
)


def render_page(inputs: ReportInputs, params: Mapping[str, Any]) -> str:
    """The whole page; the same text for the same artifacts.

    Args:
        inputs: everything that is shown.
        params: sections of params.yaml, shown as they are.
    """
    sections = [
        comparison(inputs),
        leaderboard(inputs),
        classes(inputs),
        calibration(inputs),
        training(inputs),
        teachers(inputs),
        data(inputs),
        export(inputs),
        provenance(inputs, params),
    ]
    contents = tag("nav", *(tag("a", name, href=f"#{anchor}") for anchor, name in _CONTENTS), aria_label="Contents")
    return document(_TITLE, STYLE, tag("main", tag("h1", _TITLE), headline(inputs), facts(inputs), contents, *sections))
