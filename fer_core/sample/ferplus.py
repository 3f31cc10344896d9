"""The sample in the layout of FERPlus: the file of FER2013 with the votes of ten annotators beside
it.
"""

from pathlib import Path

import numpy as np

from fer_core.base.labels import INDEX
from fer_core.sample.expression import Expression
from fer_core.sample.fer2013 import DOMAIN, fer_rows, render_fer2013
from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import Row
from fer_core.sample.portrait import invent
from fer_core.sample.randomness import stream

__all__ = ["render_ferplus"]

_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
_ORDER = ("Neutral", "Happy", "Surprise", "Sad", "Angry", "Disgust", "Fear")
_ANNOTATORS = 10


def render_ferplus(root: Path, options: SampleOptions) -> None:
    """Write `fer2013.csv` and, row for row, `fer2013new.csv`: Usage, Image name, ten counts that
    sum to 10.

    As in the original a picture that most annotators found to be no face has no image name.
    """
    render_fer2013(root, options)
    with (root / "fer2013new.csv").open("w", encoding="ascii", newline="\n") as file:
        file.write(f"Usage,Image name,{','.join(_COLUMNS)}\n")
        for position, row in enumerate(fer_rows(options)):
            votes = _votes(options.seed, row)
            name = "" if votes[-1] > _ANNOTATORS // 2 else f"fer{position:07d}.png"
            file.write(f"{row.split},{name},{','.join(map(str, votes))}\n")


def _votes(seed: int, row: Row) -> list[int]:
    """Counts of ten annotators in the order of the columns; copies of a picture get the votes of
    the picture.
    """
    if not row.is_face:
        return [0] * 9 + [_ANNOTATORS]
    address = "second votes" if row.kind == "contradiction" else "votes"
    rng = stream(seed, DOMAIN, address, row.number)
    expression: Expression = invent(
        row.emotion, stream(seed, DOMAIN, "face", row.number)
    ).expression
    seen = expression.perceived()
    if row.kind == "contradiction":
        seen = np.full(7, 0.02)
        seen[row.label] = 0.88
    contempt = 0.3 if rng.random() < 0.02 else 0.01
    unknown = 0.5 if rng.random() < 0.03 else 0.02
    chances = np.array([*(seen[INDEX[name]] for name in _ORDER), contempt, unknown, 0.002])
    counts = rng.multinomial(_ANNOTATORS, chances / chances.sum())
    return [int(count) for count in counts]
