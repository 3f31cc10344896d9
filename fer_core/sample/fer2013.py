"""The sample in the layout of FER2013: one `fer2013.csv` with a row of grey pixels a face."""

from functools import partial
from pathlib import Path

import numpy as np

from fer_core.base.labels import INDEX
from fer_core.pixels.opencv import cv2
from fer_core.sample.options import SampleOptions
from fer_core.sample.pictures import picture
from fer_core.sample.plan import Row, plan_rows
from fer_core.sample.workers import drawn

__all__ = ["DOMAIN", "SIZE", "fer_rows", "render_fer2013"]

DOMAIN = "fer"
SIZE = 48
_SHARES = {
    "Angry": 0.135,
    "Disgust": 0.05,
    "Fear": 0.135,
    "Happy": 0.24,
    "Sad": 0.16,
    "Surprise": 0.115,
    "Neutral": 0.165,
}


def fer_rows(options: SampleOptions) -> list[Row]:
    """The rows that the FER2013 and the FERPlus sample of one seed share, in the order of the
    file.
    """
    return plan_rows(
        options,
        DOMAIN,
        ("Training", "PublicTest", "PrivateTest"),
        {INDEX[name]: share for name, share in _SHARES.items()},
    )


def render_fer2013(root: Path, options: SampleOptions) -> None:
    """Write `fer2013.csv`: emotion (0 to 6), pixels (48 x 48 grey levels, row by row), Usage."""
    with (root / "fer2013.csv").open("w", encoding="ascii", newline="\n") as stream:
        stream.write("emotion,pixels,Usage\n")
        rows = fer_rows(options)
        for row, grey in zip(rows, drawn(partial(_grey, options.seed), rows), strict=True):
            stream.write(f"{row.label},{' '.join(map(str, grey.ravel().tolist()))},{row.split}\n")


def _grey(seed: int, row: Row) -> np.ndarray:
    return cv2.cvtColor(picture(seed, DOMAIN, row, SIZE, 4, freedom=1.0), cv2.COLOR_BGR2GRAY)
