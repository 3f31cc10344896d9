"""What a run will take, before it starts: time, memory and disk, to about a factor of two.

Stages that ran here before take what they took; `fer run` notes it in DVC's folder for temporary
things. A training takes its images at the speed of its last run (`log/` beside its outs), or at the
speed of a few measured batches.
"""

import heapq
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fer_core.base import paths
from fer_core.base.errors import FerError
from fer_core.base.files import read_json, write_json
from fer_core.base.labels import N_CLASSES
from fer_core.base.reading import read_yaml
from fer_core.pipeline.dag.keys import folds_of
from fer_core.pipeline.running.machine import Machine
from fer_core.pipeline.running.plan import Plan
from fer_core.training.crossval.chain import chain_of

__all__ = ["TIMES", "Estimate", "estimate", "note_times", "train_images"]

TIMES = Path(".dvc/tmp/fer_stages.json")
"""Stage -> seconds and peak bytes of its last run here, and the images of a training."""

_TRAININGS = ("teacher_a", "teacher_b", "teacher_fold", "student")
_FORWARD = ("logits_dev", "logits_test", "predict")
_START = 8.0  # seconds that torch takes to load, and a training to open its pack
_LIGHT = 4.0  # seconds of any other stage that never ran here
_FORWARD_GAIN = 3  # a forward pass is about three times as fast as a training step
_HEAVY_BYTES, _LIGHT_BYTES = 1.2e9, 0.3e9  # peaks of stages that never ran here, torch and not
_RAW_COPIES = 3
_MODEL_BYTES = 30e6
_ROWS = 2000  # train rows where no data set says how many files it has
_STEPS, _MEASURED = 5, 1.5
"""Least steps and seconds of a measurement."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        seconds: until its end, with stages side by side.
        memory: bytes at the most.
        disk: bytes that it writes.
        longest: stages by their seconds, the longest first.
        guessed: stages that never ran here and are no training.
    """

    seconds: float
    memory: float
    disk: float
    longest: list[tuple[str, float]]
    guessed: list[str]


def note_times(params: Mapping[str, Any], taken: Mapping[str, tuple[float, float]]) -> None:
    """Remember what stages took.

    Args:
        params: all of params.yaml, for the images of trainings.
        taken: stage -> seconds and peak bytes.
    """
    if not TIMES.parent.is_dir():
        return
    known = _read(TIMES)
    for stage, (seconds, peak) in taken.items():
        images = train_images(stage, params) or None
        known[stage] = {"seconds": round(seconds, 2), "peak": peak, "images": images}
    write_json(TIMES, known)


@dataclass(frozen=True)
class _Training:
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
    found = _training(stage, params)
    return None if found is None else found.images


def _training(stage: str, params: Mapping[str, Any]) -> _Training | None:
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
    size, rows = params["preprocessing"]["size"], _train_rows(params)
    for section in sections:
        options |= section.get("train") or {}
        size = (section.get("preprocessing") or {}).get("size", size)
    chosen = next((one["set"] for one in reversed(sections) if one.get("set")), None)
    most = ((params.get("sets") or {}).get(chosen) or {}).get("most_per_class")
    if most:
        rows = min(rows, N_CLASSES * most)
    if folds:
        rows = rows * (folds - 1) // folds
    return _Training(arch, int(size), options, rows)


def estimate(
    plan: Plan,
    params: Mapping[str, Any],
    machine: Machine,
    wants_torch: Callable[[str], bool],
    measure: Callable[[str, int, int, int], float] | None = None,
) -> Estimate:
    """Estimate a run.

    Args:
        plan: stages that may have to run.
        params: all of params.yaml.
        machine: what may be used.
        wants_torch: whether a stage's code loads torch.
        measure: images a second of a training step, by architecture, size, batch and threads;
            measured here if left out.
    """
    measure = cache(measure or measured_speed)
    threads = max(1, machine.threads // max(1, machine.jobs))
    known, sizes = _read(TIMES), _sizes()
    seconds, peaks, guessed, disk = {}, {}, [], 0.0
    for stage in plan.needs:
        past = known.get(stage, {})
        training = _training(stage, params)
        if training is not None:
            batch = int(training.options["batch"])
            speed = _last_speed(stage) or measure(training.arch, training.size, batch, threads)
            seconds[stage] = _START + training.images / speed
        elif past:
            seconds[stage] = past["seconds"]
        else:
            seconds[stage] = _first_time(stage, params, lambda *of: measure(*of, threads))
            guessed.append(stage)
        torch = wants_torch(stage)
        peaks[stage] = past.get("peak") or (_HEAVY_BYTES if torch else _LIGHT_BYTES)
        if training is not None and not past.get("peak"):
            peaks[stage] += _bytes_of(training)
        disk += sizes.get(stage) or (_MODEL_BYTES if training is not None else 0)
    if not sizes:
        disk += _RAW_COPIES * _raw_bytes(params)
    at_once = sorted(peaks.values(), reverse=True)[: machine.jobs]
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    return Estimate(_makespan(plan, seconds, machine.jobs), sum(at_once), disk, longest, guessed)


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


def _first_time(
    stage: str,
    params: Mapping[str, Any],
    measure: Callable[[str, int, int], float],
) -> float:
    """Seconds of a stage that never ran here and is no training of one student."""
    if stage.startswith("crossval@"):
        epochs = sum(
            (params["student"].get(method) or {}).get("extra_epochs")
            or params["student"]["train"]["epochs"]
            for method in chain_of(params, stage.partition("@")[2].rpartition("-")[0])
        )
        images = _train_rows(params) * epochs * params["crossval"]["folds"]
        return _START + images / measure(*_network(stage, params))
    if stage.startswith("cross_dataset@"):
        own, student = params["cross_dataset"], params["student"]
        method = student.get(own.get("method", "ce")) or {}
        epochs = own.get("epochs") or method.get("extra_epochs") or student["train"]["epochs"]
        return _START + _train_rows(params) * epochs / measure(*_network(stage, params))
    if stage.partition("@")[0] not in _FORWARD:
        return _LIGHT
    views = params["views"]["count"] + 1 if stage.startswith("logits_dev") else 1
    key = stage.partition("@")[2]
    trained = (f"{kind}@{key}" for kind in ("student", "teacher_b", "teacher_a"))
    known = next((speed for one in trained if (speed := _last_speed(one))), None)
    speed = _FORWARD_GAIN * (known or measure(*_network(stage, params)))
    return _START + _train_rows(params) * views / speed


def _network(stage: str, params: Mapping[str, Any]) -> tuple[str, int, int]:
    """Architecture, image size and batch of a stage that runs a network over rows."""
    key = stage.partition("@")[2]
    kind = "student"
    if (teacher := params["teachers"].get(key)) is not None:
        kind = "teacher_b" if teacher.get("stage") == "b" else "teacher_a"
    found = _training(f"{kind}@{key}", params)
    assert found is not None
    return found.arch, found.size, int(found.options["batch"])


def _bytes_of(training: _Training) -> float:
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


def _last_speed(stage: str) -> float | None:
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


def _train_rows(params: Mapping[str, Any]) -> int:
    """Train rows of the last gate, where that was of the same data sets; else their files, or the
    faces of drawn ones.
    """
    try:
        last = read_json(paths.VALIDATION)
        if set(last["counts"]["by_source"]) == set(params["manifest"]["sources"]):
            return int(last["rows_by_split"]["train"])
    except (FerError, KeyError, TypeError):
        pass
    listed = _listed(params)
    files = sum(one.get("files") or (one.get("sample") or {}).get("faces") or 0 for one in listed)
    return files or _ROWS


def _raw_bytes(params: Mapping[str, Any]) -> int:
    return sum(one.get("bytes") or 0 for one in _listed(params))


def _listed(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Descriptors of the data sets that take part and are here."""
    names = params["manifest"]["sources"]
    found = [_read(paths.SOURCES / f"{name}.json") for name in names]
    return [one for one in found if one.get("present")]


def _sizes() -> dict[str, float]:
    """Stage -> bytes of its outs, as dvc.lock has them."""
    try:
        stages = read_yaml(Path("dvc.lock")).get("stages") or {}
    except (FerError, AttributeError):
        return {}
    return {
        name: sum(out.get("size", 0) for out in body.get("outs", []))
        for name, body in stages.items()
    }


def _makespan(plan: Plan, seconds: Mapping[str, float], jobs: int) -> float:
    """Seconds until the last stage ends, `jobs` at a time, those first that most wait for."""
    waiting, now = dict(plan.needs), 0.0
    done: set[str] = set()
    running: list[tuple[float, str]] = []
    while waiting or running:
        ready = [stage for stage, needs in waiting.items() if needs <= done]
        for stage in sorted(ready, key=lambda name: -plan.rank[name])[: jobs - len(running)]:
            del waiting[stage]
            heapq.heappush(running, (now + seconds[stage], stage))
        now, ended = heapq.heappop(running)
        done.add(ended)
    return now


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
