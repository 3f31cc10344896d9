"""A project of coloured noise in which teachers and students are trained, and its surroundings."""

from pathlib import Path
from typing import Any

import pytest

from fer_core.base.params import PARAMS_FILE, Params, read_params
from fer_core.models.initial.initial import make_initial
from fer_core.models.initial.options import InitOptions
from tests.shipped import write_params
from tests.tiny import ARCH, SIDE, dev_splits, write_half, write_tiny_project

LARGE = 48
TRAIN, VAL = 84, 28


def enter(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in the project, on one thread of the CPU."""
    patch.chdir(root)
    for name, value in {
        "FER_RUNS": "runs",
        "FER_THREADS": "1",
        "FER_DEVICE": "cpu",
        "DVC_ROOT": str(root),
    }.items():
        patch.setenv(name, value)


def write_training_project(root: Path) -> None:
    """In the working folder: a teacher `vit` of two stages, initial weights; every third train row
    is of high native resolution.
    """
    write_tiny_project(root, epochs=3)
    write_half(
        root / "data/pack/dev",
        dev_splits(TRAIN, VAL, 28),
        seed=1,
        min_side=[96 if i % 3 == 0 else 32 for i in range(TRAIN + VAL + 28)],
    )
    train = Params.load().section("teacher.train", dict) | {"lr": 0.002}
    edit_params(
        teachers={"vit": {"arch": "test_vit", "stage": "b"}},
        sets={"large": {"split": ["train", "val"], "min_side": 64}},
        teacher_b={
            "set": "large",
            "preprocessing": {"size": LARGE},
            "train": train,
            "arcface": Params.load().section("teacher.arcface", dict),
        },
    )
    for arch in ("test_vit", ARCH):
        make_initial(
            Path("data/init") / arch,
            arch,
            SIDE,
            1,
            InitOptions(pretrained="none", sha256={}, min_matched=0.6),
            None,
        )


def edit_params(**sections: dict[str, Any]) -> None:
    """Set keys of sections of params.yaml."""
    params = read_params()
    for name, values in sections.items():
        params[name] = params.get(name, {}) | values
    write_params(PARAMS_FILE, params)
