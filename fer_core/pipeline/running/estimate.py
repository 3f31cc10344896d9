"""What a run will take, before it starts: time, memory and disk, to about a factor of two.

Stages that ran here before take what they took; `fer run` notes it in DVC's folder for temporary
things. A training takes its images at the speed of its last run (`log/` beside its outs), or at the
speed of a few measured batches.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fer_core.base.errors import FerError
from fer_core.base.files import write_json
from fer_core.base.reading import read_yaml
from fer_core.pipeline.running.machine import Machine
from fer_core.pipeline.running.plan import Plan
from fer_core.pipeline.running.trainings import (
    bytes_of,
    last_speed,
    listed,
    measured_speed,
    read_plain,
    train_images,
    train_rows,
    training_of,
)
from fer_core.training.crossval.chain import chain_of

__all__ = ["TIMES", "Estimate", "estimate", "note_times"]

TIMES = Path(".dvc/tmp/fer_stages.json")
"""Stage -> seconds and peak bytes of its last run here, and the images of a training."""

_FORWARD = ("logits_dev", "logits_test", "predict")
_START = 8.0  # seconds that torch takes to load, and a training to open its pack
_LIGHT = 4.0  # seconds of any other stage that never ran here
_FORWARD_GAIN = 3  # a forward pass is about three times as fast as a training step
_HEAVY_BYTES, _LIGHT_BYTES = 1.2e9, 0.3e9  # peaks of stages that never ran here, torch and not
_RAW_COPIES = 3
_MODEL_BYTES = 30e6


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
    known = read_plain(TIMES)
    for stage, (seconds, peak) in taken.items():
        images = train_images(stage, params) or None
        known[stage] = {"seconds": round(seconds, 2), "peak": peak, "images": images}
    write_json(TIMES, known)


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
    known, sizes = read_plain(TIMES), _sizes()
    seconds, peaks, guessed, disk = {}, {}, [], 0.0
    for stage in plan.needs:
        past = known.get(stage, {})
        training = training_of(stage, params)
        if training is not None:
            batch = int(training.options["batch"])
            speed = last_speed(stage) or measure(training.arch, training.size, batch, threads)
            seconds[stage] = _START + training.images / speed
        elif past:
            seconds[stage] = past["seconds"]
        else:
            seconds[stage] = _first_time(stage, params, lambda *of: measure(*of, threads))
            guessed.append(stage)
        torch = wants_torch(stage)
        peaks[stage] = past.get("peak") or (_HEAVY_BYTES if torch else _LIGHT_BYTES)
        if training is not None and not past.get("peak"):
            peaks[stage] += bytes_of(training)
        disk += sizes.get(stage) or (_MODEL_BYTES if training is not None else 0)
    if not sizes:
        disk += _RAW_COPIES * _raw_bytes(params)
    at_once = sorted(peaks.values(), reverse=True)[: machine.jobs]
    longest = sorted(seconds.items(), key=lambda item: -item[1])
    return Estimate(_makespan(plan, seconds, machine.jobs), sum(at_once), disk, longest, guessed)


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
        images = train_rows(params) * epochs * params["crossval"]["folds"]
        return _START + images / measure(*_network(stage, params))
    if stage.startswith("cross_dataset@"):
        own, student = params["cross_dataset"], params["student"]
        method = student.get(own.get("method", "ce")) or {}
        epochs = own.get("epochs") or method.get("extra_epochs") or student["train"]["epochs"]
        return _START + train_rows(params) * epochs / measure(*_network(stage, params))
    if stage.partition("@")[0] not in _FORWARD:
        return _LIGHT
    views = params["views"]["count"] + 1 if stage.startswith("logits_dev") else 1
    key = stage.partition("@")[2]
    trained = (f"{kind}@{key}" for kind in ("student", "teacher_b", "teacher_a"))
    known = next((speed for one in trained if (speed := last_speed(one))), None)
    speed = _FORWARD_GAIN * (known or measure(*_network(stage, params)))
    return _START + train_rows(params) * views / speed


def _network(stage: str, params: Mapping[str, Any]) -> tuple[str, int, int]:
    """Architecture, image size and batch of a stage that runs a network over rows."""
    key = stage.partition("@")[2]
    kind = "student"
    if (teacher := params["teachers"].get(key)) is not None:
        kind = "teacher_b" if teacher.get("stage") == "b" else "teacher_a"
    found = training_of(f"{kind}@{key}", params)
    assert found is not None
    return found.arch, found.size, int(found.options["batch"])


def _raw_bytes(params: Mapping[str, Any]) -> int:
    return sum(one.get("bytes") or 0 for one in listed(params))


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
