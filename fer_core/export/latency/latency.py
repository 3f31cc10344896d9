"""How fast networks answer, next to a reference network in the same process.

Milliseconds move by a factor of two on a busy machine, so all combinations take turns in rounds and
each is also given as a ratio to the reference: a plain MobileNetV3-Large of random weights at the
same image size, on the same provider, batch and threads. Each call is given other faces than the
one before it.
"""

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.base.logs import progress_off
from fer_core.base.machine import cpu_model, load_average, usable_cores
from fer_core.export.latency.alone import Alone, measure_alone
from fer_core.export.latency.records import COLUMNS
from fer_core.export.latency.subjects import CPU, Network, Subject
from fer_core.export.onnx.options import LatencyOptions
from fer_core.pixels.framing import FaceBox, crop_face
from fer_core.pixels.opencv import cv2
from fer_core.predict.detection import YuNet
from fer_core.predict.onnx_runtime import onnxruntime

__all__ = ["Case", "held_to", "machine_facts", "measure_latency"]

log = logging.getLogger(__name__)

_CROPS, _CROP_SIDE = 16, 112
_SAME_WORK = ["provider", "scope", "batch", "threads", "size"]
_PHOTO = (480, 640, 3)
_FACE = FaceBox(220, 120, 160, 200, 1.0)
_FEWER = 10
"""A search for faces takes as long as many answers, and varies less: so many times fewer calls."""
_CAN_PIN = hasattr(os, "sched_setaffinity")
_BUSY = 0.5
"""Load for each core, before anything is timed, from which milliseconds say little."""


@dataclass(frozen=True)
class Case:
    """Work to be timed.

    Attributes:
        facts: what it is, in columns of the table.
        call: of it.
        share: of the calls that others get.
    """

    facts: dict[str, Any]
    call: Callable[[], object]
    share: float = 1.0

    @property
    def work(self) -> tuple[Any, ...]:
        """What tells it from all others: model, precision, and what is done how."""
        return tuple(self.facts[name] for name in ("model", "precision", *_SAME_WORK))


def measure_latency(
    subjects: Sequence[Subject],
    providers: Sequence[str],
    options: LatencyOptions,
    usable_threads: int,
    faces: Sequence[np.ndarray] | None = None,
    detector: YuNet | None = None,
) -> pd.DataFrame:
    """Time every network with every provider, batch size and thread count.

    Args:
        subjects: what is timed; the model called "reference" gives the ratios to those of its size.
        providers: onnxruntime providers; on other than the CPU only the first thread count is used.
        options: section `latency`.
        usable_threads: what a thread count of 0 means.
        faces: square face crops of one size, RGB uint8 [side, side, 3]; random ones of 112 px where
            none are given.

    Returns:
        One row a combination with the columns `COLUMNS`. Scope "model" is one call of the network
        on prepared images; "crop" begins with face crops and holds preparation too; with a detector
        "photo" is the search for faces in a photo alone, and "whole" all from a photo with one face
        to its answer. Times are of
        one call, not of one image. `best_p50_ms` is the least p50 of a round; `ratio_to_reference`
        divides it by the reference's, empty where there is none of the size. `ratio_to_fp32` is the
        median over rounds of the p50 over that of the same model's fp32 file in the same round,
        empty where there is none. `pinned` says whether the threads of a call were held to as many
        cores. `load_average` is that of the last minute before the measurement began.
    """
    facts = machine_facts()
    if facts["load_average"] > _BUSY * facts["cores"]:
        log.warning(
            "load %.1f on %d cores: read the ratios, not the milliseconds",
            facts["load_average"],
            facts["cores"],
        )
    threads = sorted({count or usable_threads for count in options.threads})
    crops = _random_crops() if faces is None else list(faces)
    cases: list[Case] = []
    for subject, provider in itertools.product(subjects, providers):
        for count in threads if provider == CPU else threads[:1]:
            with held_to(count):  # worker threads of a session keep the cores that its maker had
                network = subject.open(provider, count)
            about: dict[str, Any] = {
                "model": subject.model,
                "precision": subject.precision,
                "provider": provider.removesuffix("ExecutionProvider"),
            }
            about |= {"threads": count, "size": subject.size}
            for batch in options.batches:
                if subject.batched or batch == 1:
                    cases += _cases(network, crops, batch, about)
            if detector is not None:
                cases.append(_whole(detector, network, about))
    if detector is not None:
        cases += [_search(detector, count) for count in threads]
    times = _timed_rounds(cases, options)
    alone = {
        (subject.model, subject.precision): measure_alone(subject.file, threads)
        for subject in subjects
        if subject.file is not None
    }
    rows = [
        facts
        | case.facts
        | _statistics(values, case.facts["batch"])
        | _taken(alone.get(case.work[:2]), case.facts["threads"])
        for case, values in zip(cases, times, strict=True)
    ]
    table = pd.DataFrame(rows).assign(ratio_to_fp32=_paired_ratios(cases, times), pinned=_CAN_PIN)
    return _with_ratio(table)[list(COLUMNS)]


@contextmanager
def held_to(count: int) -> Iterator[None]:
    """Hold this thread, and those it starts, to so many of the cores it may use; nothing happens
    where the system cannot do that.
    """
    if not _CAN_PIN:
        yield
        return
    allowed, of_opencv = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, sorted(allowed)[-count:])
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        cv2.setNumThreads(of_opencv)


def machine_facts() -> dict[str, Any]:
    """What the times depend on besides the files."""
    return {
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "load_average": round(load_average(), 2),
        "onnxruntime": onnxruntime.__version__,
    }


def _cases(
    network: Network, crops: Sequence[np.ndarray], batch: int, about: dict[str, Any]
) -> list[Case]:
    """The work on batches of this size, each call on the next of them."""
    turns = [
        [crops[(start + i) % len(crops)] for i in range(batch)]
        for start in range(0, max(len(crops) - batch, 0) + 1, batch)
    ]
    given = itertools.cycle(turns)
    ready = itertools.cycle([network.prepare(images) for images in turns])
    work: dict[str, Callable[[], object]] = {
        "model": lambda: network.run(next(ready)),
        "crop": lambda: network.run(network.prepare(next(given))),
    }
    about = about | {"batch": batch, "crop_side": crops[0].shape[0]}
    return [Case(about | {"scope": scope}, call) for scope, call in work.items()]


def _whole(detector: YuNet, network: Network, about: dict[str, Any]) -> Case:
    """Finding a face in a photo, cutting it out and answering for it. Where the face is, is given:
    the search takes as long whatever there is to see.
    """
    photo = _photo()

    def call() -> object:
        detector.detect(photo)
        return network.run(network.prepare([crop_face(photo, _FACE)]))

    facts = about | {"batch": 1, "crop_side": 0, "scope": "whole"}
    return Case(facts, call, 1 / _FEWER)


def _photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, _PHOTO, dtype=np.uint8)


def _search(detector: YuNet, threads: int) -> Case:
    """Finding faces in a photo; its time does not depend on what there is to see."""
    photo = _photo()
    provider = CPU.removesuffix("ExecutionProvider")
    about = {"model": "detector", "precision": "fp32", "provider": provider, "scope": "photo"}
    sizes = {"batch": 1, "threads": threads, "size": _PHOTO[1], "crop_side": 0}
    return Case(about | sizes, lambda: detector.detect(photo), 1 / _FEWER)


def _taken(alone: Alone | None, threads: int) -> dict[str, float]:
    if alone is None:
        return {"cores_busy": float("nan"), "memory_mb": float("nan")}
    return {"cores_busy": alone.cores_busy[threads], "memory_mb": alone.memory_mb}


def _timed_rounds(cases: Sequence[Case], options: LatencyOptions) -> list[np.ndarray]:
    """Milliseconds [rounds, calls] of each case; untimed calls before each batch of timed ones."""
    counts = [max(round(options.calls * case.share), 1) for case in cases]
    times = [np.empty((options.rounds, count)) for count in counts]
    for number in tqdm(
        range(options.rounds), desc="latency", unit="round", leave=False, disable=progress_off()
    ):
        for case, values in zip(cases, times, strict=True):
            with held_to(case.facts["threads"]):
                for _ in range(options.warm_up):
                    case.call()
                for index in range(values.shape[1]):
                    start = time.perf_counter_ns()
                    case.call()
                    values[number, index] = (time.perf_counter_ns() - start) / 1e6
    return times


def _paired_ratios(cases: Sequence[Case], times: Sequence[np.ndarray]) -> list[float]:
    """Median over rounds of each case's p50 over that of the fp32 file of the same model, doing the
    same work in the same round.
    """
    medians = {
        case.work: np.median(values, axis=1) for case, values in zip(cases, times, strict=True)
    }
    ratios = []
    for case in cases:
        single = medians.get((*case.work[:1], "fp32", *case.work[2:]))
        ratios.append(
            float("nan") if single is None else float(np.median(medians[case.work] / single))
        )
    return ratios


def _statistics(values: np.ndarray, batch: int) -> dict[str, Any]:
    p50, p90, p95, p99 = np.percentile(values, [50, 90, 95, 99])
    facts = {
        "rounds": values.shape[0],
        "calls": values.size,
        "p50_ms": p50,
        "p90_ms": p90,
        "p95_ms": p95,
        "p99_ms": p99,
        "mean_ms": values.mean(),
    }
    return facts | {
        "best_p50_ms": np.median(values, axis=1).min(),
        "images_per_s": 1000 * batch / p50,
    }


def _with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    reference = table[table["model"] == "reference"][[*_SAME_WORK, "best_p50_ms"]].rename(
        columns={"best_p50_ms": "reference_ms"}
    )
    table = table.merge(reference, on=_SAME_WORK, how="left", validate="many_to_one")
    return table.assign(ratio_to_reference=table["best_p50_ms"] / table["reference_ms"])


def _random_crops() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (_CROPS, _CROP_SIDE, _CROP_SIDE, 3), dtype=np.uint8))
