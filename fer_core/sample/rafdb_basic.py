"""The sample in the layout of the basic set of RAF-DB: aligned colour faces and one list of
labels.
"""

from functools import partial
from pathlib import Path

from fer_core.base.labels import INDEX
from fer_core.pixels.opencv import cv2
from fer_core.pixels.parallel import process_map
from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import Row, plan_rows
from fer_core.sample.portrait import picture

__all__ = ["render_rafdb_basic"]

_DOMAIN = "rafdb"
_SIZE = 100
_IDS = {"Surprise": 1, "Fear": 2, "Disgust": 3, "Happy": 4, "Sad": 5, "Angry": 6, "Neutral": 7}
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
    """Write `EmoLabel/list_patition_label.txt` (the original's spelling) and
    `Image/aligned/<stem>_aligned.jpg`, 100 x 100 colour.
    """
    ids = {INDEX[name]: number for name, number in _IDS.items()}
    folder = root / "Image" / "aligned"
    folder.mkdir(parents=True)
    (root / "EmoLabel").mkdir()
    last = {"train": 0, "test": 0}
    lines: list[str] = []
    rows = plan_rows(
        options, _DOMAIN, ("train", "test"), {INDEX[name]: share for name, share in _SHARES.items()}
    )
    for row, jpeg in zip(rows, process_map(partial(_jpeg, options.seed), rows), strict=True):
        last[row.split] += 1
        stem = f"{row.split}_{last[row.split]:0{5 if row.split == 'train' else 4}d}"
        lines.append(f"{stem}.jpg {ids[row.label]}\n")
        (folder / f"{stem}_aligned.jpg").write_bytes(jpeg)
    (root / "EmoLabel" / "list_patition_label.txt").write_text(
        "".join(lines), encoding="ascii", newline="\n"
    )


def _jpeg(seed: int, row: Row) -> bytes:
    image = picture(seed, _DOMAIN, row, _SIZE, 2, freedom=0.75)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
