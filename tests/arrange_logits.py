"""Tiny rows and logits that tests of evaluation and of its stages share."""

from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.metrics.metrics import all_metrics
from fer_core.logits.store import LogitsSet, Origin, logits_of_rows

K = 2


def frame(splits: dict[str, int], source: str = "rafdb_basic") -> pd.DataFrame:
    """Rows of these splits, interleaved, labels 0..6 in turn, sorted by sample_id."""
    order = np.random.default_rng(3).permutation(np.repeat(list(splits), list(splits.values())))
    count = len(order)
    return pd.DataFrame(
        {
            "sample_id": [f"{source}/{i:06d}.png" for i in range(count)],
            "source": source,
            "label": np.arange(count, dtype=np.int8) % N_CLASSES,
            "split": order,
            "usage": "",
            "group": [f"{source}/{i:06d}.png" for i in range(count)],
            "shard": np.zeros(count, dtype=np.int16),
            "shard_row": np.arange(count, dtype=np.int32),
            "width": np.full(count, 48, dtype=np.int32),
            "height": np.full(count, 48, dtype=np.int32),
            "min_side": np.where(np.arange(count) % 2, 48, 96).astype(np.int32),
            "confidence": np.nan,
            "weight": np.ones(count, dtype=np.float32),
            "votes": None,
        }
    )


def rows_of(splits: dict[str, int], sha256: str = "r" * 64) -> Rows:
    return Rows(frame(splits), sha256)


def metrics_of(targets: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """What `ensemble_metrics.json` says of targets [N, K + 1, 7] of train rows."""
    return {"splits": {"train": all_metrics(targets[:, 0], labels, bins=15)}}


def manifest_of(*frames: pd.DataFrame, duplicate_of: dict[str, str] | None = None) -> pd.DataFrame:
    """The manifest of these rows, in which `duplicate_of` repeat the picture of another."""
    rows = pd.concat(frames, ignore_index=True)
    boxes = dict.fromkeys(
        ["orig_image", "face_id", "bbox_top", "bbox_left", "bbox_right", "bbox_bottom"]
    )
    repeats = [(duplicate_of or {}).get(key, "") for key in rows["sample_id"]]
    return rows.assign(
        row=np.arange(len(rows)),
        reason="",
        duplicate_of=repeats,
        image_path=rows["sample_id"],
        **boxes,
    )


DEV = {"train": 60, "val": 70, "calib": 280}
TEST = {"test": 210}


def noisy_logits(
    labels: np.ndarray, seed: int, skill: float = 1.5, scale: float = 1.0
) -> np.ndarray:
    """Logits [N, 7] that know the label more or less; calibrated at scale 1."""
    rng = np.random.default_rng(seed)
    return scale * (
        skill * rng.normal(size=(len(labels), N_CLASSES)) + skill**2 * np.eye(N_CLASSES)[labels]
    )


def logits_set(
    rows: Rows,
    covers: tuple[str, ...],
    seed: int,
    *,
    model: str = "rn18",
    views: bool = False,
    dtype: str = "float16",
    scale: float = 1.0,
    skill: float = 1.5,
) -> LogitsSet:
    labels = rows.labels[rows.split(*covers)]
    train = rows.labels[rows.split("train")]
    stored = (
        np.stack(
            [noisy_logits(train, seed + 100 + k, skill, scale) for k in range(K)], axis=1
        ).astype(dtype)
        if views
        else None
    )
    origin = Origin(model, f"weights of {model}", "p" * 64, "v" * 64 if views else None)
    logits = noisy_logits(labels, seed, skill, scale).astype(dtype)
    return logits_of_rows(rows, covers, origin, logits, stored)
