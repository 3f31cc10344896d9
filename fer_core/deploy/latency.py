"""How fast exported files answer, next to a reference network in the same process.

Milliseconds move by a factor of two on a busy machine, so all combinations take turns in rounds and each is also given as a ratio to the
reference: a plain MobileNetV3-Large of random weights at the same image size, on the same provider, batch and threads.
"""

import itertools
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import torch
from tqdm import tqdm

from fer_core.data.preprocessing import Preprocessing
from fer_core.deploy.export import export_files
from fer_core.deploy.metadata import OnnxMetadata
from fer_core.deploy.options import LatencyOptions
from fer_core.deploy.predictor import Predictor
from fer_core.errors import ArtifactError
from fer_core.files import new_file
from fer_core.logs import progress_off
from fer_core.models.backbone import build_classifier

__all__ = [
    "COLUMNS",
    "REFERENCE",
    "Case",
    "Subject",
    "export_reference",
    "held_to",
    "machine_facts",
    "measure_latency",
    "read_latency",
    "usable_providers",
    "write_latency",
]

log = logging.getLogger(__name__)

REFERENCE = "mobilenetv3_large_100"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
COLUMNS = (
    "model",
    "precision",
    "provider",
    "scope",
    "batch",
    "threads",
    "rounds",
    "calls",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "mean_ms",
    "best_p50_ms",
    "images_per_s",
    "ratio_to_reference",
    "ratio_to_fp32",
    "pinned",
    "size",
    "crop_side",
    "cpu",
    "cores",
    "load_average",
    "onnxruntime",
)
_CROP_SIDE = 112
_SAME_WORK = ["provider", "scope", "batch", "threads"]
_CAN_PIN = hasattr(os, "sched_setaffinity")
_BUSY = 0.5
"""Load for each core, before anything is timed, from which milliseconds say little."""


@dataclass(frozen=True)
class Subject:
    """A file to be timed."""

    model: str
    precision: str
    path: Path


@dataclass(frozen=True)
class Case:
    """Work to be timed: what it is, in columns of the table, and a call of it."""

    facts: dict[str, Any]
    call: Callable[[], object]

    @property
    def work(self) -> tuple[Any, ...]:
        """What tells it from all others: model, precision, and what is done how."""
        return tuple(self.facts[name] for name in ("model", "precision", *_SAME_WORK))


def export_reference(folder: Path, preprocessing: Preprocessing, opset: int) -> Subject:
    """Write the reference network, with random weights, into a folder."""
    torch.manual_seed(0)
    network = build_classifier(REFERENCE, preprocessing.size).eval()
    metadata = OnnxMetadata(REFERENCE, "fp32", preprocessing, 1.0, source_model_sha256="", rows_sha256="", licence="random weights")
    return Subject("reference", "fp32", export_files(network, metadata, opset, ("fp32",), folder, REFERENCE)["fp32"])


def usable_providers() -> list[str]:
    """The CPU, and CUDA where torch sees a device; a device that onnxruntime cannot use is an error when it is tried, not a gap."""
    if not torch.cuda.is_available() or CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    onnxruntime.preload_dlls()
    return [CPU, CUDA]


def measure_latency(subjects: Sequence[Subject], providers: Sequence[str], options: LatencyOptions, usable_threads: int) -> pd.DataFrame:
    """Time every file with every provider, batch size and thread count.

    Args:
        subjects: files written by the export, all of one image size; the one called "reference" gives the ratios.
        providers: onnxruntime providers; on other than the CPU only the first thread count is used.
        options: section `latency`.
        usable_threads: what a thread count of 0 stands for.

    Returns:
        One row a combination with the columns `COLUMNS`. Scope "model" is one call of the network on prepared images; "crop" begins with
        face crops of 112 px and holds preparation too. Times are of one call, not of one image. `best_p50_ms` is the least p50 of a round;
        `ratio_to_reference` divides it by the reference's. `ratio_to_fp32` is the median over rounds of the p50 over that of the same
        model's fp32 file in the same round, empty where there is none. `pinned` says whether the threads of a call were held to as many
        cores. `load_average` is that of the last minute before the measurement began.
    """
    facts = machine_facts()
    if facts["load_average"] > _BUSY * facts["cores"]:
        log.warning("load %.1f on %d cores: read the ratios, not the milliseconds", facts["load_average"], facts["cores"])
    threads = sorted({count or usable_threads for count in options.threads})
    cases: list[Case] = []
    for subject, provider in itertools.product(subjects, providers):
        for count in threads if provider == CPU else threads[:1]:
            with held_to(count):  # worker threads of a session keep the cores that its maker had
                predictor = Predictor(subject.path, [provider], count)
            for batch in options.batches:
                cases += _cases(subject, predictor, provider, count, batch)
    times = _timed_rounds(cases, options)
    rows = [facts | case.facts | _statistics(values, case.facts["batch"]) for case, values in zip(cases, times, strict=True)]
    table = pd.DataFrame(rows).assign(ratio_to_fp32=_paired_ratios(cases, times), pinned=_CAN_PIN)
    return _with_ratio(table)[list(COLUMNS)]


@contextmanager
def held_to(count: int) -> Iterator[None]:
    """Hold this thread, and those it starts, to so many of the cores it may use; nothing happens where the system cannot do that."""
    if not _CAN_PIN:
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def machine_facts() -> dict[str, Any]:
    """What the times depend on besides the files."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "load_average": round(load, 2), "onnxruntime": onnxruntime.__version__}


def write_latency(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV with the columns `COLUMNS`."""
    with new_file(path) as temporary:
        table[list(COLUMNS)].to_csv(temporary, index=False, float_format="%.4f", lineterminator="\n")


def read_latency(path: Path) -> pd.DataFrame:
    """Read the table.

    Raises:
        ArtifactError: missing, empty, or with other columns.
    """
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise ArtifactError("The latency table is missing.", where=path, remedy="run the `latency` stage") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ArtifactError("The latency table is damaged.", where=path, found=error, remedy="run the `latency` stage") from error
    if tuple(table.columns) != COLUMNS or table.empty:
        raise ArtifactError("The latency table is of another version.", where=path, found=list(table.columns), expected=list(COLUMNS))
    return table


def _cases(subject: Subject, predictor: Predictor, provider: str, threads: int, batch: int) -> list[Case]:
    crops = _crops(batch)
    prepared = predictor.prepare(crops)
    work: Mapping[str, Callable[[], object]] = {
        "model": lambda: predictor.run(prepared),
        "crop": lambda: predictor.predict(crops, batch=batch),
    }
    facts: dict[str, Any] = {"model": subject.model, "precision": subject.precision, "provider": provider.removesuffix("ExecutionProvider")}
    facts |= {"batch": batch, "threads": threads, "size": predictor.metadata.preprocessing.size, "crop_side": _CROP_SIDE}
    return [Case(facts | {"scope": scope}, call) for scope, call in work.items()]


def _timed_rounds(cases: Sequence[Case], options: LatencyOptions) -> list[np.ndarray]:
    """Milliseconds [rounds, calls] of each case; untimed calls before each batch of timed ones."""
    times = [np.empty((options.rounds, options.calls)) for _ in cases]
    for number in tqdm(range(options.rounds), desc="latency", unit="round", leave=False, disable=progress_off()):
        for case, values in zip(cases, times, strict=True):
            with held_to(case.facts["threads"]):
                for _ in range(options.warm_up):
                    case.call()
                for index in range(options.calls):
                    start = time.perf_counter_ns()
                    case.call()
                    values[number, index] = (time.perf_counter_ns() - start) / 1e6
    return times


def _paired_ratios(cases: Sequence[Case], times: Sequence[np.ndarray]) -> list[float]:
    """Median over rounds of each case's p50 over that of the fp32 file of the same model, doing the same work in the same round."""
    medians = {case.work: np.median(values, axis=1) for case, values in zip(cases, times, strict=True)}
    ratios = []
    for case in cases:
        single = medians.get((*case.work[:1], "fp32", *case.work[2:]))
        ratios.append(float("nan") if single is None else float(np.median(medians[case.work] / single)))
    return ratios


def _statistics(values: np.ndarray, batch: int) -> dict[str, Any]:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    facts = {"rounds": values.shape[0], "calls": values.size, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "mean_ms": values.mean()}
    return facts | {"best_p50_ms": np.median(values, axis=1).min(), "images_per_s": 1000 * batch / p50}


def _with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    reference = table[table["model"] == "reference"][[*_SAME_WORK, "best_p50_ms"]].rename(columns={"best_p50_ms": "reference_ms"})
    table = table.merge(reference, on=_SAME_WORK, how="left", validate="many_to_one")
    return table.assign(ratio_to_reference=table["best_p50_ms"] / table["reference_ms"])


def _crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (count, _CROP_SIDE, _CROP_SIDE, 3), dtype=np.uint8))


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
