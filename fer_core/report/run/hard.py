"""The hard val rows: how everybody does on them, the hardest as faces, and a page of all of
them.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.boards.hard_cases import REASONS
from fer_core.report.run.faces import Face, check_rows, face_grid
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.run.results import number
from fer_core.report.run.tables import OF_PREDICTIONS, hard_lines
from fer_core.report.shared.markup import Markup, document, section, table, tag, two_lines
from fer_core.report.shared.style import STYLE

__all__ = ["SHEET", "hard_cases", "render_hard_sheet"]

SHEET = "hard_cases.html"
"""Name of the page of all hard rows, beside the report."""
_TITLE = "Hard val faces: every one"
_OF_A_REASON = 16
_HARD = {
    "low_margin": ("Two classes nearly as probable", "margin"),
    "disagreement": ("Teachers of different opinions", "divergence"),
    "confusable": ("Between two classes that are often confused", "margin"),
}
_SCORES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "minority_f1": "minority-F1"}
_UNDER = "Under each face stands its label, then the ensemble's first and second choice."


def hard_cases(inputs: ReportInputs, dev: Pack) -> Markup:
    """How everybody does on the hard val rows, and the hardest of them."""
    check_rows(dev, inputs.hard_cases["rows_sha256"])
    found = inputs.hard_faces
    grids = []
    for reason in REASONS:
        title, column = _HARD[reason]
        mine = found[found[reason]].sort_values(
            [column, "sample_id"], ascending=[column == "margin", True]
        )
        grids.append(
            face_grid(f"{title}: {len(mine):,}", _faces(mine.head(_OF_A_REASON), dev), dev)
        )
    return section(
        "hard",
        "Hard cases",
        _board(inputs),
        tag(
            "p",
            _UNDER,
            " ",
            tag("a", f"All {len(found):,} on a page of their own", href=SHEET),
            ".",
            class_="note",
        ),
        tag("div", *grids, class_="sheets"),
    )


def render_hard_sheet(inputs: ReportInputs, dev: Pack) -> str:
    """The page of every hard row, by label and from the least margin on; the same text for the same
    artifacts.
    """
    check_rows(dev, inputs.hard_cases["rows_sha256"])
    found, cases = inputs.hard_faces, inputs.hard_cases
    grids = []
    for label, name in enumerate(CLASSES):
        mine = found[found["label"] == label].sort_values(["margin", "sample_id"])
        if len(mine):
            grids.append(
                face_grid(f"{name}: {len(mine):,}", _faces(mine, dev, of_a_class=True), dev)
            )
    reasons = [
        [_HARD[reason][0], reason.replace("_", " "), f"{cases['by_reason'][reason]:,}"]
        for reason in REASONS
    ]
    pairs = ", ".join(
        f"{' and '.join(pair['classes'])} ({pair['rows']:,})" for pair in cases["confused_pairs"]
    )
    words = (
        "Under each face stand the ensemble's first and second choice, then why it is hard. Point "
        "at a face, or touch it, to read its "
        "name; hard_cases.parquet lists them all."
    )
    return document(
        _TITLE,
        STYLE,
        tag(
            "main",
            tag("h1", _TITLE),
            tag("p", tag("a", "Back to the report", href="index.html#hard")),
            section(
                "hard",
                "In numbers",
                table(
                    ["why", "called", "faces"],
                    reasons,
                    "A face may be hard for more than one reason",
                ),
                tag("p", f"Pairs of classes that the ensemble confuses most on val: {pairs}.")
                if pairs
                else None,
                _board(inputs),
            ),
            section(
                "faces",
                "In pictures",
                tag("p", words, class_="note"),
                tag("div", *grids, class_="sheets"),
            ),
        ),
    )


def _board(inputs: ReportInputs) -> Markup:
    """Everybody on the hard rows and on all of val, best on the hard ones first."""
    lines = pd.DataFrame(hard_lines(inputs))
    rows = []
    for _, both in sorted(
        lines.groupby("model", sort=False), key=lambda item: -item[1]["macro_f1"].iloc[0]
    ):
        cells = [
            two_lines(
                number(line[name]),
                f"{number(line[f'{name}_low'])} to {number(line[f'{name}_high'])}",
            )
            for name in OF_PREDICTIONS
            for line in both.to_dict("records")
        ]
        rows.append([both["model"].iloc[0], both["kind"].iloc[0], *cells])
    head = [
        "model",
        "kind",
        *(f"{_SCORES[name]}, {part}" for name in OF_PREDICTIONS for part in ("hard", "all val")),
    ]
    caption = (
        f"On the {inputs.hard_cases['hard_rows']:,} hard rows and on all "
        f"{inputs.hard_cases['val_rows']:,} of val, which also chose the "
        "models: no test result; below a value its 95 % confidence interval"
    )
    return table(head, rows, caption)


def _faces(rows: pd.DataFrame, dev: Pack, of_a_class: bool = False) -> list[Face]:
    """With label and the ensemble's first two choices; where all are of a class that is said
    already, the reasons in its place.
    """
    place = {sample_id: row for row, sample_id in enumerate(dev.rows.sample_ids)}
    faces = []
    for face in rows.to_dict("records"):
        choices = f"{CLASSES[face['first']]} / {CLASSES[face['second']]}"
        faces.append(
            Face(
                place[face["sample_id"]],
                f"{choices}; {_why(face)}"
                if of_a_class
                else f"{CLASSES[face['label']]}: {choices}",
            )
        )
    return faces


def _why(face: Mapping[Hashable, Any]) -> str:
    return ", ".join(reason.replace("_", " ") for reason in REASONS if face[reason])
