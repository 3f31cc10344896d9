"""What the deployed student gets wrong most surely, as faces."""

from collections.abc import Iterator, Sequence

import numpy as np

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.store.imagehash import pixel_sha256
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.pixels.decode import decode_rgb
from fer_core.report.run.faces import Face, check_rows, face_grid
from fer_core.report.run.inputs import ReportInputs
from fer_core.report.shared.markup import Markup, section, tag

__all__ = ["mistakes"]

_OF_A_CLASS = 6


def mistakes(inputs: ReportInputs, test: Pack) -> Markup:
    """The surest wrong answers of each class on the compared set, most certain first, each picture
    once.
    """
    check_rows(test, inputs.deployed.evaluation.test.rows_sha256)
    model, name = inputs.deployed, inputs.selection.compare_set
    rows = np.flatnonzero(model.evaluation.sets[name])
    labels = model.evaluation.test.labels[rows].astype(np.int64)
    p = softmax(model.evaluation.test.eval[rows].astype(np.float64) / model.calibration.temperature)
    answers, sure = p.argmax(axis=1), p.max(axis=1)
    grids = []
    for label, actual in enumerate(CLASSES):
        wrong = np.flatnonzero((labels == label) & (answers != label))
        surest = wrong[np.argsort(-sure[wrong], kind="stable")]
        worst = _pictures(test, rows, surest.tolist())
        faces = [
            Face(int(rows[i]), f"{CLASSES[answers[i]]} {sure[i]:.0%}")
            for _, i in zip(range(_OF_A_CLASS), worst, strict=False)
        ]
        title = f"{actual}: {len(wrong):,} of {int((labels == label).sum()):,} wrong"
        grids.append(face_grid(title, faces, test, narrow=True))
    note = (
        f"Under each face stands what {inputs.selection.deployed} takes it for, and how probable "
        "it thinks that after temperature scaling. "
        "Look here for wrong labels, too. A picture that stands in two data sets is counted in "
        "each and shown once. Point at a face, or "
        "touch it, to read its name."
    )
    return section(
        "mistakes",
        "Worst mistakes",
        tag("p", note, class_="note"),
        tag("div", *grids, class_="sheets"),
    )


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
