"""The sample in the layout of the basic set of RAF-DB: aligned colour faces and one list of
labels.
"""

from functools import partial
from pathlib import Path

import numpy as np

from fer_core.base.labels import CLASSES, INDEX
from fer_core.pixels.opencv import cv2
from fer_core.pixels.parallel import process_map
from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import Row, plan_rows
from fer_core.sample.portrait import picture
from fer_core.sample.randomness import stream

__all__ = ["render_rafdb_basic"]

_DOMAIN = "rafdb"
_SIZE = 100
_IDS = {"Surprise": 1, "Fear": 2, "Disgust": 3, "Happy": 4, "Sad": 5, "Angry": 6, "Neutral": 7}
_HARD = ("Fear", "Disgust", "Sad", "Neutral")
"""Expressions that are mistaken for others most often."""
_CHANCE_OF_40_TO_69 = {True: 0.85, False: 0.15}
_LANDMARKS = "30.0\t40.0\n70.0\t40.0\n50.0\t60.0\n35.0\t75.0\n65.0\t75.0\n"
_SHARES = {
    "Surprise": 0.12,
    "Fear": 0.07,
    "Disgust": 0.07,
    "Happy": 0.32,
    "Sad": 0.15,
    "Angry": 0.09,
    "Neutral": 0.18,
}


def render_rafdb_basic(root: Path, options: SampleOptions) -> None:
    """Write `EmoLabel/list_patition_label.txt` (the original's spelling),
    `Image/aligned/<stem>_aligned.jpg`, 100 x 100 colour, and the attributes of the invented people,
    `Annotation/manual/<stem>_manu_attri.txt`.

    Age is planted: people of 40 to 69 show more of the expressions that are hard to tell, those of
    20 to 39 more of the easy ones. So a network is right less often about the older, which stage
    `fairness` must find. Gender and race mean nothing.
    """
    ids = {INDEX[name]: number for name, number in _IDS.items()}
    folder = root / "Image" / "aligned"
    attributes = root / "Annotation" / "manual"
    folder.mkdir(parents=True)
    attributes.mkdir(parents=True)
    (root / "EmoLabel").mkdir()
    last = {"train": 0, "test": 0}
    lines: list[str] = []
    rows = plan_rows(
        options, _DOMAIN, ("train", "test"), {INDEX[name]: share for name, share in _SHARES.items()}
    )
    drawn = process_map(partial(_jpeg, options.seed), rows)
    for row, jpeg in zip(rows, drawn, strict=True):
        last[row.split] += 1
        stem = f"{row.split}_{last[row.split]:0{5 if row.split == 'train' else 4}d}"
        lines.append(f"{stem}.jpg {ids[row.label]}\n")
        (folder / f"{stem}_aligned.jpg").write_bytes(jpeg)
        text = _attributes(stream(options.seed, _DOMAIN, "person", row.number), row)
        (attributes / f"{stem}_manu_attri.txt").write_text(text, encoding="ascii", newline="\n")
    (root / "EmoLabel" / "list_patition_label.txt").write_text(
        "".join(lines), encoding="ascii", newline="\n"
    )


def _jpeg(seed: int, row: Row) -> bytes:
    image = picture(seed, _DOMAIN, row, _SIZE, 2, freedom=0.75)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _attributes(rng: np.random.Generator, row: Row) -> str:
    """Five landmarks at the places of an aligned face, then gender, race and age."""
    gender, race = rng.choice(3, p=(0.49, 0.49, 0.02)), rng.choice(3, p=(0.55, 0.05, 0.4))
    of_any_age, older = rng.random() < 0.08, rng.random()
    age = 2 + int(older < _CHANCE_OF_40_TO_69[CLASSES[row.emotion] in _HARD])
    return f"{_LANDMARKS}{gender}\n{race}\n{rng.integers(5) if of_any_age else age}\n"
