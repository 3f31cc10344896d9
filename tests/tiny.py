"""A project small enough to train in seconds: packs of coloured noise whose mean colour tells the
class, and its params.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fer_core.base.params import read_params
from fer_core.dataset.pack.pack import PackOptions, write_pack
from fer_core.dataset.pack.rows import ROWS_SCHEMA
from fer_core.images.views import ViewOptions
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.sources.catalogue.faces import Face
from fer_core.training.loop.options import TrainOptions
from tests.shipped import SAMPLE, write_params

ARCH = "test_resnet"
SIDE = 32
COLOURS = np.random.default_rng(7).integers(30, 226, (7, 3))
"""Mean colour of each class."""
PREPROCESSING = Preprocessing(SIDE, 1.0, False, 2.0, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
VIEWS = ViewOptions(
    count=2,
    scale=(0.8, 1.0),
    ratio=(0.9, 1.1),
    flip=0.5,
    brightness=0.1,
    contrast=0.1,
    saturation=0.1,
    hue=0.0,
)
TRAINING = TrainOptions(
    epochs=4,
    batch=14,
    lr=0.01,
    min_lr=1e-5,
    weight_decay=0.05,
    lr_warmup_epochs=1,
    balance="none",
    grad_clip=0.0,
    precision="fp32",
)


def write_half(
    folder: Path,
    splits: list[str],
    seed: int = 0,
    source: str = "tiny",
    min_side: list[int] | None = None,
    votes: np.ndarray | None = None,
    faces: Sequence[Face] = (),
) -> None:
    """A half of the pack with one PNG of 32 px per entry of `splits`; classes take turns.
    `min_side` is what the rows say of their size, `votes` [rows, 7] how people voted; `faces` of a
    reader follow, whose names are greater than `source`.
    """
    random = np.random.default_rng(seed)
    colours = COLOURS
    images, records = [], []
    for number, split in enumerate(splits):
        label = number % 7
        pixels = colours[label] + random.normal(0, 40, (SIDE, SIDE, 3))
        images.append(cv2.imencode(".png", np.clip(pixels, 0, 255).astype(np.uint8))[1].tobytes())
        records.append(
            {
                "sample_id": f"{source}/{number:05d}",
                "source": source,
                "label": label,
                "split": split,
                "usage": split,
            }
        )
    for face in sorted(faces, key=lambda face: face.sample_id):
        images.append(face.image)
        records.append(
            {
                "sample_id": face.sample_id,
                "source": face.sample_id.partition("/")[0],
                "label": face.label,
                "split": face.split,
                "usage": face.usage,
            }
        )
    frame = pd.DataFrame(records).assign(
        width=SIDE, height=SIDE, min_side=min_side or SIDE, confidence=None, weight=1.0
    )
    frame["votes"] = [None] * len(frame) if votes is None else list(votes.astype(np.float32))
    frame["group"] = frame["sample_id"]
    columns = [name for name in ROWS_SCHEMA.names if name not in ("shard", "shard_row")]
    sizes = np.array([len(image) for image in images], dtype=np.int64)
    write_pack(folder, frame[columns], images.__getitem__, sizes, PackOptions(shard_megabytes=1))


def dev_splits(train: int = 84, val: int = 28, calib: int = 28) -> list[str]:
    """Split of every row of a dev half."""
    return ["train"] * train + ["val"] * val + ["calib"] * calib


def write_tiny_project(root: Path, **train: object) -> None:
    """params.yaml and both halves of the pack; `train` overrides options of student and teacher
    training.
    """
    params = read_params(SAMPLE)
    options = {"epochs": 4, "batch": 14, "lr": 0.01, "lr_warmup_epochs": 1} | train
    params["student"]["train"].update(options)
    params["teacher"]["train"].update(options)
    params["teacher"]["arcface"].update(warmup_epochs=1, ramp_end=3)
    params["teacher"]["head"].update(embed_dim=16)
    params["teachers"] = {"tiny": {"arch": ARCH}, "other": {"arch": "test_convnext"}}
    params["student"].update(arch=ARCH, seeds=[1])
    params["preprocessing"].update(size=SIDE)
    params["views"].update(count=2)
    params["sets"] = {"everything": {}}
    params["evaluation"].update(bootstrap=100, compare_set="everything")
    params["deploy"].update(student="kd-1")
    write_params(root / "params.yaml", params)
    write_half(root / "data" / "pack" / "dev", dev_splits(), seed=1)
    write_half(root / "data" / "pack" / "test", ["test"] * 42, seed=2)
