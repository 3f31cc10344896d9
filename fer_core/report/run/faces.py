"""Faces that the pages show: the worst mistakes on test rows, and the hard val rows."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.store.imagehash import pixel_sha256
from fer_core.evaluation.boards.hard_cases import REASONS
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.pixels.decode import decode_rgb
from fer_core.report.facts.collect import RunFacts
from fer_core.report.templates.pictures import FaceGrid, FaceTile, packed_tile

__all__ = ["HARD_TITLES", "hard_by_class", "hard_by_reason", "mistakes", "shared"]

HARD_TITLES = {
    "low_margin": "Two classes nearly as probable",
    "disagreement": "Teachers of different opinions",
    "confusable": "Between two classes that are often confused",
}
_MISTAKES_OF_A_CLASS = 6
_HARD_OF_A_REASON = 16


def mistakes(facts: RunFacts, test: Pack) -> list[FaceGrid]:
    """The surest wrong answers of each class on the compared set, most certain first, each picture
    once.

    Raises:
        ArtifactError: the faces are of another run than the numbers.
    """
    model = facts.deployed
    _check_rows(test, model.evaluation.test.rows_sha256)
    rows = np.flatnonzero(model.evaluation.sets[facts.scope.compare_set])
    labels = model.evaluation.test.labels[rows].astype(np.int64)
    p = softmax(model.calibration.file_logits(model.evaluation.test.eval[rows]))
    answers, sure = p.argmax(axis=1), p.max(axis=1)
    grids = []
    for label, actual in enumerate(CLASSES):
        wrong = np.flatnonzero((labels == label) & (answers != label))
        surest = wrong[np.argsort(-sure[wrong], kind="stable")].tolist()
        worst = zip(range(_MISTAKES_OF_A_CLASS), _pictures(test, rows, surest), strict=False)
        tiles = [
            packed_tile(test, int(rows[place]), f"{CLASSES[answers[place]]} {sure[place]:.0%}")
            for _, place in worst
        ]
        title = f"{actual}: {len(wrong):,} of {int((labels == label).sum()):,} wrong"
        grids.append(FaceGrid(title, tiles))
    return grids


def shared(facts: RunFacts, test: Pack) -> FaceGrid:
    """Wrong answers that annotators gave, too: below each the label and the answer, with their
    shares of the votes.
    """
    row_of = {sample_id: row for row, sample_id in enumerate(test.rows.sample_ids)}
    faces = facts.trust["ambiguity"].get("mistakes", {}).get("faces", [])
    tiles = [
        packed_tile(
            test,
            row_of[face["sample_id"]],
            f"{face['label']} {face['label_votes']:.0%}, said {face['said']} {face['votes']:.0%}",
        )
        for face in faces
    ]
    return FaceGrid("Mistakes that annotators share", tiles)


def hard_by_reason(facts: RunFacts, dev: Pack) -> list[FaceGrid]:
    """The hardest val rows for each reason, under each its label and the ensemble's two choices."""
    grids = []
    for reason, title in HARD_TITLES.items():
        mine = facts.hard_faces[facts.hard_faces[reason]]
        column = "divergence" if reason == "disagreement" else "margin"
        mine = mine.sort_values([column, "sample_id"], ascending=[column == "margin", True])
        tiles = _hard_tiles(mine.head(_HARD_OF_A_REASON), dev, facts)
        grids.append(FaceGrid(f"{title}: {len(mine):,}", tiles))
    return grids


def hard_by_class(facts: RunFacts, dev: Pack) -> list[FaceGrid]:
    """Every hard val row by label, least margin first, under each the ensemble's two choices and
    why it is hard.
    """
    grids = []
    for label, name in enumerate(CLASSES):
        mine = facts.hard_faces[facts.hard_faces["label"] == label]
        if len(mine):
            tiles = _hard_tiles(mine.sort_values(["margin", "sample_id"]), dev, facts, why=True)
            grids.append(FaceGrid(f"{name}: {len(mine):,}", tiles))
    return grids


def _hard_tiles(
    faces: pd.DataFrame, dev: Pack, facts: RunFacts, why: bool = False
) -> list[FaceTile]:
    assert facts.hard_cases is not None
    _check_rows(dev, facts.hard_cases["rows_sha256"])
    row_of = {sample_id: row for row, sample_id in enumerate(dev.rows.sample_ids)}
    tiles = []
    for face in faces.to_dict("records"):
        choices = f"{CLASSES[face['first']]} / {CLASSES[face['second']]}"
        reasons = ", ".join(reason.replace("_", " ") for reason in REASONS if face[reason])
        words = f"{choices}; {reasons}" if why else f"{CLASSES[face['label']]}: {choices}"
        tiles.append(packed_tile(dev, row_of[face["sample_id"]], words))
    return tiles


def _pictures(test: Pack, rows: np.ndarray, places: Sequence[int]) -> Iterator[int]:
    """Those of the places whose picture was not there before, in their order; a picture is decoded
    when it is asked for.
    """
    seen: set[str] = set()
    for place in places:
        row = int(rows[place])
        found = pixel_sha256(decode_rgb(test.image(row), test.rows.sample_ids[row]))
        if found not in seen:
            seen.add(found)
            yield place


def _check_rows(pack: Pack, rows_sha256: str) -> None:
    if pack.rows.sha256 != rows_sha256:
        raise ArtifactError(
            "These faces are of another run than the numbers.",
            where="data/pack",
            found=pack.rows.sha256,
            expected=rows_sha256,
        )
