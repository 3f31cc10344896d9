"""Time and size of the ensemble's array work on 213,000 rows and 5 teachers.

Weight search: 100 weightings against the same metrics by scikit-learn and scipy, then the smooth
optimum. Logits store: one teacher's rows and views are written and read; the size of five is that
of one times five. Seconds are of the CPU, which other work on the machine does not lengthen; what
the clock showed is in brackets.

Run: OMP_NUM_THREADS=1 python -m bench.ensemble_bench
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.special import log_softmax as scipy_log_softmax
from sklearn.metrics import f1_score, log_loss

from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.calibration.calibration import fit_temperature
from fer_core.evaluation.ensemble.fusion import Space, best_candidate, fuse, search_weights
from fer_core.evaluation.ensemble.weight_choice import smooth_weights
from fer_core.logits.store import Origin, logits_of_rows, read_recorded_logits, write_logits

ROWS, TEACHERS, WEIGHTINGS, REFERENCE, VIEWS = 213_000, 5, 100, 3, 8
SPACES: tuple[Space, ...] = ("prob", "logit")
GOAL_SECONDS, GOAL_MEGABYTES = 10, 200
Result = TypeVar("Result")


def timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """What some work gives, and its seconds of the CPU and of the clock."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - clock


def calibrated(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logits at their own best temperature, as the ensemble gets them."""
    return logits / fit_temperature(logits, labels).temperature


def search(
    logits: list[np.ndarray], labels: np.ndarray, weightings: np.ndarray, space: Space
) -> float:
    """One space: the grid's measurements, the reference's, the smooth optimum; returns the CPU
    seconds of the first.
    """
    table, ours, clock = timed(lambda: search_weights(logits, labels, weightings, [space], bins=15))

    def measure() -> None:
        for weights, (_, row) in zip(weightings[:REFERENCE], table.iterrows(), strict=False):
            log_p = scipy_log_softmax(fuse(logits, weights, space) / row["temperature"], axis=1)
            nll = log_loss(labels, np.exp(log_p), labels=range(7))
            f1 = f1_score(labels, log_p.argmax(1), average="macro")
            assert abs(nll - row["nll"]) < 1e-4 and abs(f1 - row["macro_f1"]) < 1e-4, (nll, f1, row)

    reference = timed(measure)[1] * WEIGHTINGS / REFERENCE
    print(
        f"{space:5s} {ours:6.2f} s ({clock:.1f}) for {WEIGHTINGS} weightings with fused "
        "temperatures"
    )
    print(
        f"{space:5s} {reference:6.2f} s for scikit-learn + scipy without temperatures: "
        f"{reference / ours:.1f} times ours"
    )
    best = table.iloc[best_candidate(table, "nll")]
    starts = [best["weights"], (1 / TEACHERS,) * TEACHERS]
    smooth, seconds, clock = timed(lambda: smooth_weights(logits, labels, space, starts))
    print(
        f"{space:5s} {seconds:6.2f} s ({clock:.1f}) smooth search from two starts: NLL "
        f"{smooth.nll:.6f}; "
        f"best of the {WEIGHTINGS} {best['nll']:.6f}"
    )
    return ours


def store(rng: np.random.Generator) -> None:
    """Write and read one teacher's float16 logits of every train row, evaluation view and stored
    views.
    """
    ids = [f"rafdb_basic/train/{i:06d}_aligned.jpg" for i in range(ROWS)]
    frame = pd.DataFrame(
        {"sample_id": ids, "label": (np.arange(ROWS) % 7).astype(np.int8), "split": "train"}
    )
    values = rng.normal(size=(ROWS, VIEWS + 1, 7)).astype(np.float16)
    logits = logits_of_rows(
        Rows(frame, "0" * 64),
        ("train",),
        Origin("rn18", "0" * 64, "0" * 64, "0" * 64),
        values[:, 0],
        values[:, 1:],
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "dev"
        wrote = timed(lambda: write_logits(folder, logits))[1]
        megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        read = timed(lambda: read_recorded_logits(folder))[1]
    total = megabytes * TEACHERS
    print(
        f"store {megabytes:6.1f} MB a teacher of {VIEWS + 1} views, written in {wrote:.2f} s, read "
        f"in {read:.2f} s"
    )
    print(
        f"store {total:6.1f} MB for {TEACHERS} teachers (one measured, times {TEACHERS}; goal "
        f"under {GOAL_MEGABYTES})"
    )
    assert total < GOAL_MEGABYTES, total


def main() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, ROWS)
    logits = [
        calibrated(rng.normal(size=(ROWS, 7)) + 2 * np.eye(7)[labels], labels)
        for _ in range(TEACHERS)
    ]
    weightings = rng.dirichlet(np.ones(TEACHERS), WEIGHTINGS)
    seconds = {space: search(logits, labels, weightings, space) for space in SPACES}
    slowest = max(seconds.values())
    print(
        f"goal  {ROWS:,} rows × {TEACHERS} teachers × {WEIGHTINGS} weightings under {GOAL_SECONDS} "
        f"s: {slowest:.2f} s in the slower space, "
        f"{sum(seconds.values()):.2f} s in both: {'met' if slowest < GOAL_SECONDS else 'missed'}"
    )
    store(rng)


if __name__ == "__main__":
    main()
