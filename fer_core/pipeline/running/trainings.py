"""What is known of a training before it runs: network, images, speed and memory."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_core.base import paths
from fer_core.base.errors import FerError
from fer_core.base.files import read_json
from fer_core.base.labels import N_CLASSES
from fer_core.pipeline.dag.keys import folds_of

__all__ = [
    "Training",
    "bytes_of",
    "last_speed",
    "listed",
    "measured_speed",
    "read_plain",
    "train_images",
    "train_rows",
    "training_of",
]

_TRAININGS = ("teacher_a", "teacher_b", "teacher_fold", "student")
_ROWS = 2000  # train rows where no data set says how many files it has
_STEPS, _MEASURED = 5, 1.5
"""Least steps and seconds of a measurement."""


@dataclass(frozen=True)
class Training:
    """What a training stage does.

    Attributes:
        arch, size: of the network.
        options: of the optimisation, as plain values.
        rows: that an epoch walks through.
    """

    arch: str
    size: int
    options: Mapping[str, Any]
    rows: int

    @property
    def images(self) -> int:
        """Rows times epochs."""
        return self.rows * int(self.options["epochs"])


def train_images(stage: str, params: Mapping[str, Any]) -> int | None:
    """Images that a training walks through: rows times epochs; None for another stage."""
    found = training_of(stage, params)
    return None if found is None else found.images


def training_of(stage: str, params: Mapping[str, Any]) -> Training | None:
    """The training of a stage; None for another stage."""
    kind, _, key = stage.partition("@")
    if kind not in _TRAININGS:
        return None
    name, *rest = key.split("-")
    folds = folds_of(params) if kind == "teacher_fold" else 0
    if kind == "student":
        sections = [params["student"]]
        method = params["student"].get(name) or {}
        if method.get("extra_epochs"):
            sections.append({"train": {"epochs": method["extra_epochs"]}})
        arch = params["student"]["arch"]
    else:
        entry = params["teachers"].get(name, {})
        b = kind == "teacher_b" or (kind == "teacher_fold" and rest[0] == "b")
        sections = [params["teacher"], *([params.get("teacher_b") or {}] if b else [])]
        sections.append(entry.get("b" if b else "a") or {})
        arch = entry.get("arch", "")
    options: dict[str, Any] = {}
    size, rows = params["preprocessing"]["size"], train_rows(params)
    for section in sections:
        options |= section.get("train") or {}
        size = (section.get("preprocessing") or {}).get("size", size)
    chosen = next((one["set"] for one in reversed(sections) if one.get("set")), None)
    most = ((params.get("sets") or {}).get(chosen) or {}).get("most_per_class")
    if most:
        rows = min(rows, N_CLASSES * most)
    if folds:
        rows = rows * (folds - 1) // folds
    return Training(arch, int(size), options, rows)


def bytes_of(training: Training) -> float:
    """What a training takes on its device (see `training_bytes`)."""
    from fer_core.models.networks.backbone import build_classifier
    from fer_core.training.loop.footprint import training_bytes
    from fer_core.training.loop.options import TrainOptions

    fields = {
        name: training.options[name]
        for name in TrainOptions.model_fields.keys() & training.options.keys()
    }
    options = TrainOptions.model_validate(fields)
    return training_bytes(build_classifier(training.arch, training.size), training.size, options)


def last_speed(stage: str) -> float | None:
    """Images a second of a training's last run here."""
    kind, _, key = stage.partition("@")
    if kind == "student":
        folder = paths.STUDENTS / key
    elif kind == "teacher_fold":
        tag, of_stage, fold = key.split("-")
        folder = paths.TEACHERS / tag / "folds" / of_stage / fold
    else:
        folder = paths.TEACHERS / key / kind.removeprefix("teacher_")
    try:
        return float(read_json(folder / "log" / "environment.json")["images_per_second"])
    except (FerError, KeyError, TypeError, ValueError):
        return None


def train_rows(params: Mapping[str, Any]) -> int:
    """Train rows of the last gate, where that was of the same data sets; else their files, or the
    faces of drawn ones.
    """
    try:
        last = read_json(paths.VALIDATION)
        if set(last["counts"]["by_source"]) == set(params["manifest"]["sources"]):
            return int(last["rows_by_split"]["train"])
    except (FerError, KeyError, TypeError):
        pass
    there = listed(params)
    files = sum(one.get("files") or (one.get("sample") or {}).get("faces") or 0 for one in there)
    return files or _ROWS


def listed(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Descriptors of the data sets that take part and are here."""
    names = params["manifest"]["sources"]
    found = [read_plain(paths.SOURCES / f"{name}.json") for name in names]
    return [one for one in found if one.get("present")]


def measured_speed(arch: str, size: int, batch: int, threads: int) -> float:
    """Images a second of a training step with this network on this machine's device; the best of a
    few steps, the first of which choose kernels and take memory.
    """
    import torch

    from fer_core.base.settings import load_settings
    from fer_core.models.devices.device import prepare_device
    from fer_core.models.networks.backbone import build_classifier

    device, before = prepare_device(load_settings()), torch.get_num_threads()
    torch.set_num_threads(threads)
    network = build_classifier(arch, size).to(device).train()
    images, labels = torch.randn(batch, 3, size, size), torch.arange(batch) % 7
    images, labels = images.to(device), labels.to(device)
    optimiser = torch.optim.AdamW(network.parameters())
    took: list[float] = []
    until = time.perf_counter() + _MEASURED
    while len(took) < _STEPS or time.perf_counter() < until:
        began = time.perf_counter()
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimiser.step()
        loss.item()  # waits for the device
        took.append(time.perf_counter() - began)
    torch.set_num_threads(before)
    return batch / min(took)


def read_plain(path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none, or nothing else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
