"""The sample in the layouts of FER2013, one `fer2013.csv` with a row of grey pixels a face, and of
FERPlus, the same file with the votes of ten annotators beside it.
"""

from functools import partial
from pathlib import Path

import numpy as np

from fer_core.base.labels import INDEX
from fer_core.pixels.opencv import cv2
from fer_core.pixels.parallel import process_map
from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import Row, plan_rows
from fer_core.sample.portrait import invent, picture
from fer_core.sample.randomness import stream

__all__ = ["render_fer2013", "render_ferplus"]

_DOMAIN = "fer"
_SIZE = 48
_SHARES = {
    "Angry": 0.135,
    "Disgust": 0.05,
    "Fear": 0.135,
    "Happy": 0.24,
    "Sad": 0.16,
    "Surprise": 0.115,
    "Neutral": 0.165,
}
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


def _rows(options: SampleOptions) -> list[Row]:
    """The rows that the FER2013 and the FERPlus sample of one seed share, in the order of the
    file.
    """
    return plan_rows(
        options,
        _DOMAIN,
        ("Training", "PublicTest", "PrivateTest"),
        {INDEX[name]: share for name, share in _SHARES.items()},
    )


def render_fer2013(root: Path, options: SampleOptions) -> None:
    """Write `fer2013.csv`: emotion (0 to 6), pixels (48 x 48 grey levels, row by row), Usage."""
    with (root / "fer2013.csv").open("w", encoding="ascii", newline="\n") as stream:
        stream.write("emotion,pixels,Usage\n")
        rows = _rows(options)
        for row, grey in zip(rows, process_map(partial(_grey, options.seed), rows), strict=True):
            stream.write(f"{row.label},{' '.join(map(str, grey.ravel().tolist()))},{row.split}\n")


def _grey(seed: int, row: Row) -> np.ndarray:
    return cv2.cvtColor(picture(seed, _DOMAIN, row, _SIZE, 4, freedom=1.0), cv2.COLOR_BGR2GRAY)


def render_ferplus(root: Path, options: SampleOptions) -> None:
    """Write `fer2013.csv` and, row for row, `fer2013new.csv`: Usage, Image name, ten counts that
    sum to 10.

    As in the original a picture that most annotators found to be no face has no image name.
    """
    render_fer2013(root, options)
    with (root / "fer2013new.csv").open("w", encoding="ascii", newline="\n") as file:
        file.write(f"Usage,Image name,{','.join(_COLUMNS)}\n")
        for position, row in enumerate(_rows(options)):
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
    rng = stream(seed, _DOMAIN, address, row.number)
    sitter = invent(row.emotion, stream(seed, _DOMAIN, "face", row.number))
    seen = sitter.expression.perceived()
    if row.kind == "contradiction":
        seen = np.full(7, 0.02)
        seen[row.label] = 0.88
    contempt = 0.3 if rng.random() < 0.02 else 0.01
    unknown = 0.5 if rng.random() < 0.03 else 0.02
    chances = np.array([*(seen[INDEX[name]] for name in _ORDER), contempt, unknown, 0.002])
    counts = rng.multinomial(_ANNOTATORS, chances / chances.sum())
    return [int(count) for count in counts]
