"""A smoke run: every stage for a few steps, in a throw-away copy of the checkout.

It finds what would stop a long run late: options that do not fit each other, a network that refuses
its size, a missing package or file. Its numbers mean nothing.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from fer_core.base.files import write_text
from fer_core.base.git import copy_project
from fer_core.base.params import PARAMS_FILE, read_params
from fer_core.base.settings import load_settings, project_root
from fer_core.base.signals import run_in_group
from fer_core.pipeline.checkout.cache import cache_settings
from fer_core.pipeline.dag.dag import synced
from fer_core.pipeline.dag.reading import DVC_FILE
from fer_core.web.bundle import BUNDLE

__all__ = ["run_smoke", "smoke_params"]

_STEPS, _VAL_ROWS = 1, 1
_FACES, _VIEWS = 4, 2
"""Faces of each class, and most views of a face."""
_BATCH, _PARTS, _GROUP = 16, 2, 8
"""Most images of a batch, the micro-batches of one, and the rows that batch normalisation takes."""


def run_smoke(root: Path) -> int:
    """Run the pipeline on smoke parameters beside the checkout, which stays as it is.

    Data stages up to the gate are taken from DVC's cache where they have run; otherwise they run in
    full. Of each class a few faces are packed.

    Args:
        root: of the checkout.

    Returns:
        The status of `fer run` there.

    Raises:
        MachineError: this is no git checkout.
    """
    with _copy_of(root) as copy:
        params = smoke_params(read_params(root / PARAMS_FILE))
        write_text(copy / PARAMS_FILE, yaml.safe_dump(params, sort_keys=False))
        pipeline = (copy / DVC_FILE).read_text(encoding="utf-8")
        write_text(copy / DVC_FILE, synced(pipeline, params, copy))
        command = [sys.executable, "-c", "from fer_cli.main import main; main()", "run"]
        settings = load_settings()
        environment = os.environ | {
            "PYTHONPATH": str(copy),
            "FER_RAW": str(settings.raw),
            "FER_RUNS": str(copy / "runs"),
        }
        if settings.weights is not None:
            environment["FER_WEIGHTS"] = str(settings.weights)
        return run_in_group(command, environment, copy)


def smoke_params(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the same stages, with trainings of two epochs of a step, few faces of each
    class, and little of all that is repeated. The argument is changed.
    """
    for section in _sections(params, "train"):
        section |= {"max_train_batches": _STEPS, "max_val_batches": _VAL_ROWS}
        if "epochs" in section:
            section |= {"epochs": 2, "lr_warmup_epochs": 0}
        for key, most in (
            ("batch", _BATCH),
            ("accumulation", _PARTS),
            ("batch_norm_group", _GROUP),
        ):
            if key in section:
                section[key] = min(section[key], most)
        for key in ("eval_every", "checkpoint_every", "keep_checkpoints"):
            section.pop(key, None)
    for margin in _sections(params, "arcface"):
        margin |= {"warmup_epochs": 0, "ramp_end": min(1, margin.get("ramp_end", 0))}
    params["pack"]["most_per_class"] = _FACES
    params["views"]["count"] = min(params["views"]["count"], _VIEWS)
    params["evaluation"]["bootstrap"] = 100
    params["latency"] |= {"rounds": 1, "calls": 5, "warm_up": 1, "batches": [1], "threads": [1]}
    if "crossval" in params:
        params["crossval"]["folds"] = 2
    if "cross_dataset" in params:
        params["cross_dataset"] |= {"epochs": 2, "rows": 1}
    if "trust" in params:
        params["trust"]["robustness"]["rows"] = 50
    return params


def _sections(params: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Sections of one name ("train", "arcface") of every network."""
    networks = [params.get(key, {}) for key in ("teacher", "teacher_b", "student")]
    networks += [entry.get(stage, {}) for entry in params["teachers"].values() for stage in "ab"]
    yield from (network[name] for network in networks if name in network)


@contextmanager
def _copy_of(root: Path) -> Iterator[Path]:
    """A folder with the files that git knows, as they are now, and with the checkout's cache."""
    cache = cache_settings(root / ".dvc")["dir"].absolute()
    with TemporaryDirectory(prefix="fer-smoke-") as folder:
        copy = Path(folder)
        copy_project(root, copy)
        local = "[core]\n    no_scm = true\n[cache]\n" + f"    dir = {cache}\n"
        (copy / ".dvc" / "config.local").write_text(local, encoding="utf-8")
        if (page := project_root() / BUNDLE).is_dir():
            shutil.copytree(page, copy / BUNDLE)
        yield copy
