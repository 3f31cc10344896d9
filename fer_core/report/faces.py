"""Faces on the page: what the deployed student gets wrong most surely, and the val rows that are hard for its teachers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_core.data.pack import Pack
from fer_core.errors import ArtifactError
from fer_core.evaluation.hard_cases import REASONS
from fer_core.evaluation.metrics import softmax
from fer_core.labels import CLASSES
from fer_core.report.contact_sheets import picture_address
from fer_core.report.inputs import ReportInputs
from fer_core.report.markup import Markup, section, table, tag
from fer_core.report.results import number

__all__ = ["hard_cases", "mistakes"]

_OF_A_CLASS, _OF_A_REASON = 6, 16
_HARD = {
    "low_margin": ("Two classes nearly as probable", "margin"),
    "disagreement": ("Teachers of different opinions", "divergence"),
    "confusable": ("Between two classes that are often confused", "margin"),
}


@dataclass(frozen=True)
class _Face:
    """A row of the pack and the words under its picture."""

    row: int
    words: str


def mistakes(inputs: ReportInputs, test: Pack) -> Markup:
    """The surest wrong answers of each class on the compared set, most certain first."""
    _check_rows(test, inputs.deployed.evaluation.test.rows_sha256)
    model, name = inputs.deployed, inputs.selection.compare_set
    rows = np.flatnonzero(model.evaluation.sets[name])
    labels = model.evaluation.test.labels[rows].astype(np.int64)
    p = softmax(model.evaluation.test.eval[rows].astype(np.float64) / model.calibration.temperature)
    answers, sure = p.argmax(axis=1), p.max(axis=1)
    grids = []
    for label, actual in enumerate(CLASSES):
        wrong = np.flatnonzero((labels == label) & (answers != label))
        worst = wrong[np.argsort(-sure[wrong], kind="stable")][:_OF_A_CLASS]
        faces = [_Face(int(rows[i]), f"{CLASSES[answers[i]]} {sure[i]:.0%}") for i in worst]
        title = f"{actual}: {len(wrong):,} of {int((labels == label).sum()):,} wrong"
        grids.append(_grid(title, faces, test, narrow=True))
    note = (
        f"Under each face stands what {inputs.selection.deployed} takes it for, and how probable it thinks that after temperature scaling. "
        "Look here for wrong labels, too. Point at a face, or touch it, to read its name."
    )
    return section("mistakes", "Worst mistakes", tag("p", note, class_="note"), tag("div", *grids, class_="sheets"))


def hard_cases(inputs: ReportInputs, dev: Pack) -> Markup:
    """How everybody does on the hard val rows, and the hardest of them."""
    cases = inputs.hard_cases
    _check_rows(dev, cases["rows_sha256"])
    rows = []
    for key, scores in cases["scores"].items():
        hard, everything = scores["hard"], scores["all"]
        rows.append([key, *(number(found[what]) for what in ("macro_f1", "accuracy") for found in (hard, everything))])
    place = {sample_id: row for row, sample_id in enumerate(dev.rows.sample_ids)}
    found = inputs.hard_faces
    grids = []
    for reason in REASONS:
        title, column = _HARD[reason]
        mine = found[found[reason]].sort_values([column, "sample_id"], ascending=[column == "margin", True])
        columns = [mine[name].head(_OF_A_REASON).tolist() for name in ("sample_id", "label", "first", "second")]
        faces = [
            _Face(place[name], f"{CLASSES[label]}: {CLASSES[first]} / {CLASSES[second]}")
            for name, label, first, second in zip(*columns, strict=True)
        ]
        grids.append(_grid(f"{title}: {len(mine):,}", faces, dev))
    caption = (
        f"On the {cases['hard_rows']:,} hard rows and on all {cases['val_rows']:,} of val, which also chose the models: no test result"
    )
    note = "Under each face stands its label, then the ensemble's first and second choice."
    return section(
        "hard",
        "Hard cases",
        table(["model", "macro-F1, hard", "all val", "accuracy, hard", "all val"], rows, caption),
        tag("p", note, class_="note"),
        tag("div", *grids, class_="sheets"),
    )


def _grid(title: str, faces: Sequence[_Face], pack: Pack, narrow: bool = False) -> Markup:
    pixels = (pack.rows.frame["width"] * pack.rows.frame["height"]).to_numpy()
    tiles = []
    for face in faces:
        name = pack.rows.sample_ids[face.row]
        address = picture_address(pack.image(face.row), name, int(pixels[face.row]))
        picture = tag("span", tag("img", src=address, alt=name), class_="face", tabindex="-1", data_name=name)
        tiles.append(tag("div", picture, tag("small", face.words)))
    return tag("figure", tag("figcaption", tag("b", title)), tag("div", *tiles, class_="faces few" if narrow else "faces"), class_="sheet")


def _check_rows(pack: Pack, rows_sha256: str) -> None:
    if pack.rows.sha256 != rows_sha256:
        raise ArtifactError(
            "These faces are of another run than the numbers.", where="data/pack", found=pack.rows.sha256, expected=rows_sha256
        )
