"""Two small data sets with something of everything, and the manifest that goes with them, typed by
hand.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.dataset.store.store import StoreRow
from tests.dataset.tiny_stores import face, store

SCRIPT = "b/<script>alert(1)</script>.png"
ODD = "<b>odd</b> & reason"

# sample_id, source, row, label, split, reason, duplicate_of, shorter side
ROWS = [
    ("a/0", "a", 0, 0, "train", "", "", 45),
    ("a/1", "a", 1, 3, "val", "", "", 44),
    ("a/2", "a", 2, 3, "test", "", "", 64),
    ("a/3", "a", 3, 3, "dropped", "twin_in_test", "a/2", 24),
    ("a/4", "a", 4, 4, "dropped", "non_face", "", 24),
    ("a/5", "a", 5, 4, "test", "", "", 63),
    (SCRIPT, "b", 0, 2, "calib", "", "", 100),
    ("b/1", "b", 1, 2, "dropped", "duplicate_in_train", "a/0", 24),
    ("b/2", "b", 2, 3, "test", "", "a/2", 90),
    ("b/3", "b", 3, -1, "dropped", "unlabelled", "", 24),
]


def manifest() -> pd.DataFrame:
    """The rows as `read_manifest` gives them."""
    names = ["sample_id", "source", "row", "label", "split", "reason", "duplicate_of", "min_side"]
    frame = pd.DataFrame(ROWS, columns=names).sort_values("sample_id", ignore_index=True)
    empty = dict.fromkeys(
        (
            "confidence",
            "votes",
            "orig_image",
            "face_id",
            "bbox_top",
            "bbox_left",
            "bbox_right",
            "bbox_bottom",
        )
    )
    return frame.assign(
        usage="Training",
        group=frame["sample_id"],
        weight=np.float32(1),
        image_path="x",
        width=frame["min_side"] + 1,
        height=frame["min_side"],
        **empty,
    )


def write_stores(clean: Path) -> None:
    """The face stores that hold these rows; 51 entries that cannot be decoded and one of another
    reason in b.
    """
    store(
        clean,
        "a",
        [_face(*row[:4], flag={4: "blank", 5: "text"}.get(row[2], "")) for row in ROWS[:6]],
    )
    broken = [
        {"sample_id": f"b/broken-{n:02}", "reason": "undecodable image", "detail": f"cut at {n}"}
        for n in range(51)
    ]
    odd = {"sample_id": "b/<i>odd</i>", "reason": ODD, "detail": "<u>"}
    store(clean, "b", [_face(*row[:4]) for row in ROWS[6:]], exclusions=(*broken, odd))


def _face(sample_id: str, source: str, row: int, label: int, flag: str = "") -> StoreRow:
    pictures = {"a/3": 2, "b/1": 0, "b/2": 2}  # the twins show their twin's picture
    return face(
        sample_id,
        "train",
        label,
        pictures.get(sample_id, row if source == "a" else 10 + row),
        flag=flag,
    )
