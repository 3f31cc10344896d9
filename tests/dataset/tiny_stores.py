"""Small face stores for tests: each face is described by a few words."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from fer_core.base.labels import CLASSES
from fer_core.dataset.store.imagehash import thumbnail
from fer_core.dataset.store.store import StoreRow, write_store


def picture(number: int, brighter: int = 0) -> np.ndarray:
    """A smooth grey picture, another one for every number; `brighter` by a few levels is a near
    twin.
    """
    noise = np.random.default_rng(number).integers(0, 200, (24, 24), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (9, 9), 3) + np.uint8(brighter)


def face(
    sample_id: str, split: str, label: int, number: int, *, brighter: int = 0, **columns: object
) -> StoreRow:
    """A row of a store whose picture, perceptual hash and pixel hash follow from `number` and
    `brighter`.
    """
    pixels = picture(number, brighter)
    phash = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8], "big") ^ brighter
    values = {
        "sample_id": sample_id,
        "image": cv2.imencode(".png", pixels)[1].tobytes(),
        "label": label,
        "split": split,
        "usage": split,
        "group": sample_id,
        "pixel_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "phash": phash,
        "thumbnail": thumbnail(pixels).tobytes(),
        "width": 24,
        "height": 24,
    }
    return StoreRow(**{**values, **columns})  # type: ignore[arg-type]


def store(
    folder: Path,
    source: str,
    rows: Iterable[StoreRow],
    announced: dict | None = None,
    exclusions: tuple = (),
    notes: dict[str, int] | None = None,
) -> None:
    """Write data/clean-like `<source>.arrow`; by default the reader announced what there is."""
    rows = list(rows)
    if announced is None:
        announced = {}
        counts = Counter(
            (row.split, "unlabelled" if row.label < 0 else CLASSES[row.label]) for row in rows
        )
        counts["none", "excluded"] = len(exclusions)
        for (split, word), n in counts.items():
            announced.setdefault(split, {})[word] = n
    meta = {
        "source": source,
        "announced": announced,
        "exclusions": list(exclusions),
        "notes": notes or {},
    }
    write_store(folder / f"{source}.arrow", rows, meta)


def many(source: str, split: str, n: int, start: int = 0) -> list[StoreRow]:
    """n faces of different pictures, labels in turn; pictures differ between starts."""
    return [
        face(f"{source}/{split}-{start + i:04}", split, i % 7, 10_000 + start + i) for i in range(n)
    ]
