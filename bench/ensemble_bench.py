"""Time and size of the ensemble's array work on 213,000 rows and 5 teachers.

Weight search: 100 weightings against the same metrics by scikit-learn and scipy, then the smooth optimum. Logits store: one teacher's rows
and views are written and read; the size of five is that of one times five.

Run: python -m bench.ensemble_bench
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import log_softmax as scipy_log_softmax
from sklearn.metrics import f1_score, log_loss

from fer_core.data.logits import logits_of_rows, read_recorded_logits, write_logits
from fer_core.data.rows import Rows
from fer_core.evaluation.fusion import Space, best_candidate, fuse, search_weights
from fer_core.evaluation.smooth_search import smooth_weights

ROWS, TEACHERS, WEIGHTINGS, REFERENCE, VIEWS = 213_000, 5, 100, 3, 8
SPACES: tuple[Space, ...] = ("prob", "logit")
GOAL_MEGABYTES = 200


def search(logits: list[np.ndarray], labels: np.ndarray, weightings: np.ndarray, space: Space) -> None:
    """One space: the grid's measurements, the reference's, the smooth optimum."""
    start = time.perf_counter()
    table = search_weights(logits, labels, weightings, [space], bins=15)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    for weights, (_, row) in zip(weightings[:REFERENCE], table.iterrows(), strict=False):
        log_p = scipy_log_softmax(fuse(logits, weights, space) / row["temperature"], axis=1)
        nll = log_loss(labels, np.exp(log_p), labels=range(7))
        f1 = f1_score(labels, log_p.argmax(1), average="macro")
        assert abs(nll - row["nll"]) < 1e-4 and abs(f1 - row["macro_f1"]) < 1e-4, (nll, f1, row)
    reference = (time.perf_counter() - start) * WEIGHTINGS / REFERENCE
    print(f"{space:5s} {ours:6.2f} s with fused temperatures; scikit-learn + scipy without {reference:6.1f} s")
    best = table.iloc[best_candidate(table, "nll")]
    start = time.perf_counter()
    smooth = smooth_weights(logits, labels, space, [best["weights"], (1 / TEACHERS,) * TEACHERS])
    seconds = time.perf_counter() - start
    print(f"{space:5s} {seconds:6.2f} s smooth search from two starts: NLL {smooth.nll:.6f}; best of the {WEIGHTINGS} {best['nll']:.6f}")


def store(rng: np.random.Generator) -> None:
    """Write and read one teacher's float16 logits of every train row, evaluation view and stored views."""
    ids = [f"rafdb_basic/train/{i:06d}_aligned.jpg" for i in range(ROWS)]
    frame = pd.DataFrame({"sample_id": ids, "label": (np.arange(ROWS) % 7).astype(np.int8), "split": "train"})
    values = rng.normal(size=(ROWS, VIEWS + 1, 7)).astype(np.float16)
    logits = logits_of_rows(
        Rows(frame, "0" * 64),
        ("train",),
        values[:, 0],
        values[:, 1:],
        model="rn18",
        model_sha256="0" * 64,
        preprocessing_hash="0" * 64,
        views_hash="0" * 64,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "dev"
        start = time.perf_counter()
        write_logits(folder, logits)
        wrote = time.perf_counter() - start
        megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        start = time.perf_counter()
        read_recorded_logits(folder)
        read = time.perf_counter() - start
    total = megabytes * TEACHERS
    print(f"store {megabytes:6.1f} MB a teacher of {VIEWS + 1} views, written in {wrote:.2f} s, read in {read:.2f} s")
    print(f"store {total:6.1f} MB for {TEACHERS} teachers (one measured, times {TEACHERS}; goal under {GOAL_MEGABYTES})")
    assert total < GOAL_MEGABYTES, total


def main() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, ROWS)
    logits = [rng.normal(size=(ROWS, 7)) + 2 * np.eye(7)[labels] for _ in range(TEACHERS)]
    weightings = rng.dirichlet(np.ones(TEACHERS), WEIGHTINGS)
    for space in SPACES:
        search(logits, labels, weightings, space)
    store(rng)


if __name__ == "__main__":
    main()
