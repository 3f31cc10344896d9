"""The leaderboard: teachers alone and fused, on every named test set.

Nothing is chosen here: temperatures and weights come from calib rows, and the row of the weighting
chosen there is marked.

Beside the entries is the oracle of each set: a rule that picks a teacher who is right wherever
one is. It bounds every choice among the teachers' answers, and nobody can build it, because it
needs the label. A row that all teachers get wrong counts as missed and as no other class's false
alarm, which makes macro-F1 a bound too: F1 of a class is 2 r / (1 + r) at recall r. (Fused
probabilities may now and then name a class that no teacher put first, so a weighting could exceed
the oracle on such rows.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.base.absent import present_classes
from fer_core.base.artifact import Header, new_artifact, open_artifact, read_values
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_json, write_text
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.evaluation.ensemble.ensemble import Ensemble, check_teachers
from fer_core.evaluation.metrics.bootstrap import percentile_interval, stratified_weights
from fer_core.evaluation.metrics.clusters import cluster_codes
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import evaluate_logits
from fer_core.logits.store import LogitsSet

__all__ = ["Board", "leaderboard", "oracle", "read_leaderboard", "write_leaderboard"]

_KIND = "leaderboard/3"


@dataclass(frozen=True)
class _Contender:
    name: str
    calibrated: bool
    chosen: bool
    space: str
    weights: dict[str, float]
    logits: np.ndarray


@dataclass(frozen=True)
class Board:
    """Plain values for JSON.

    Attributes:
        rows: by set and falling macro-F1: set, entry, calibrated, chosen, space, weights,
            rows_expected, rows_used, metrics with intervals, per_class_f1, confusion.
        oracles: of each set: set, entry ("oracle"), attainable (false), rows_used, metrics with
            intervals, per_class_f1.
    """

    rows: list[dict[str, Any]]
    oracles: list[dict[str, Any]]


def leaderboard(
    test: Mapping[str, LogitsSet],
    ensemble: Ensemble,
    sets: Mapping[str, np.ndarray],
    options: EvaluationOptions,
    seed: int,
    sources: Sequence[str] | np.ndarray = (),
    cluster_of: Mapping[str, str] | None = None,
) -> Board:
    """Measure every entry on every set.

    Args:
        test: test logits of each teacher of the ensemble.
        ensemble: what was chosen on calib rows.
        sets: named test set -> bool [N_test].
        options: section `evaluation`.
        seed: of the bootstrap.
        sources: of each test row; only weights by source need them.
        cluster_of: of `read_clusters`; None where each row is a cluster of its own.

    Returns:
        Entries: each teacher raw and temperature scaled; best_single, uniform and ensemble; given
        weightings and the ensemble's other kinds of weights by their names; and for each fixed
        temperature T "<entry> T=<T>" of each teacher and weighting, whose raw logits
        are fused and divided by T. A row by class or source lists no weights: `ensemble.json` has
            them.

    Raises:
        ArtifactError: teachers of other weights or preprocessing than the ensemble's, of different
            rows, or of rows other than test.
    """
    first = check_teachers(test)
    if first.covers != ("test",) or set(test) != set(ensemble.teachers):
        raise ArtifactError(
            "A leaderboard needs the test logits of the ensemble's teachers.",
            found=(list(test), first.covers),
            expected=ensemble.teachers,
        )
    _check_versions(test, ensemble)
    entries = list(_entries({tag: logits.eval for tag, logits in test.items()}, ensemble, sources))
    clusters = cluster_codes(first.sample_ids, cluster_of or {})
    board, oracles = [], []
    bar = tqdm(
        total=len(entries) * len(sets), desc="leaderboard", leave=False, disable=progress_off()
    )
    for name, mask in sets.items():
        labels, cluster, count = first.labels[mask], clusters[mask], int(mask.sum())
        rows: list[dict[str, Any]] = []
        for entry in entries:
            result = evaluate_logits(entry.logits[mask], labels, options, seed, clusters=cluster)
            rows.append(_row(name, entry, count, result))
            bar.update()
        board += sorted(rows, key=lambda row: -row["metrics"]["macro_f1"]["value"])
        answers = [test[tag].eval[mask].argmax(axis=1) for tag in ensemble.teachers]
        hits = np.any([answer == labels for answer in answers], axis=0)
        bound = oracle(hits, labels, options.bootstrap, seed, cluster)
        about = {"set": name, "entry": "oracle", "attainable": False, "rows_used": count}
        oracles.append(about | bound)
    bar.close()
    if lost := [row for row in board if row["rows_expected"] != row["rows_used"]]:
        raise ArtifactError(
            "A set lost rows.",
            where=lost[0]["set"],
            found=lost[0]["rows_used"],
            expected=lost[0]["rows_expected"],
        )
    return Board(board, oracles)


def _check_versions(test: Mapping[str, LogitsSet], ensemble: Ensemble) -> None:
    """Each teacher is the one that the ensemble was chosen with."""
    for tag, logits in test.items():
        found, expected = (
            (logits.model_sha256, logits.preprocessing_hash),
            (ensemble.model_sha256[tag], ensemble.preprocessing_hash),
        )
        if found != expected:
            raise ArtifactError(
                "The ensemble was chosen with another version of a teacher.",
                where=tag,
                found=found,
                expected=expected,
            )


def _row(name: str, entry: _Contender, expected: int, result: dict[str, Any]) -> dict[str, Any]:
    """An entry's row of the board on the set of this name."""
    return {
        "set": name,
        "entry": entry.name,
        "calibrated": entry.calibrated,
        "chosen": entry.chosen,
        "space": entry.space,
        "weights": entry.weights,
        "rows_expected": expected,
        "rows_used": sum(map(sum, result["confusion"])),
        **result,
    }


def write_leaderboard(folder: Path, board: Board, rows_sha256: str) -> None:
    """Write `leaderboard.json` (everything) and `leaderboard.csv` (one line an entry and set, and
    one an oracle) in one step.
    """
    lines = []
    for row in [*board.rows, *board.oracles]:
        line = {name: row.get(name) for name in ("set", "entry", "calibrated", "chosen", "space")}
        line["weights"] = " ".join(
            f"{tag}={weight:.6g}" for tag, weight in row.get("weights", {}).items()
        )
        line |= {
            "attainable": row.get("attainable", True),
            "rows_expected": row.get("rows_expected"),
            "rows_used": row["rows_used"],
        }
        for name, interval in row["metrics"].items():
            line |= {
                name: interval["value"],
                f"{name}_low": interval["low"],
                f"{name}_high": interval["high"],
            }
        line |= {f"f1_{name}": value for name, value in row["per_class_f1"].items()}
        lines.append(line)
    with new_artifact(folder, Header(_KIND, rows_sha256=rows_sha256)) as temporary:
        write_json(temporary / "leaderboard.json", asdict(board))
        write_text(
            temporary / "leaderboard.csv",
            pd.DataFrame(lines).to_csv(index=False, lineterminator="\n"),
        )


def read_leaderboard(folder: Path) -> Board:
    """Read `leaderboard.json`.

    Raises:
        ArtifactError: missing, damaged or of another version.
    """
    open_artifact(folder, _KIND)
    return read_values(folder / "leaderboard.json", Board)


def _entries(
    logits: Mapping[str, np.ndarray], ensemble: Ensemble, sources: Sequence[str] | np.ndarray
) -> Iterator[_Contender]:
    weightings = ensemble.weightings()
    for tag in ensemble.teachers:
        raw = np.asarray(logits[tag], dtype=np.float64)
        yield _Contender(tag, False, False, "", {tag: 1.0}, raw)
        yield _Contender(tag, True, False, "", {tag: 1.0}, raw / ensemble.temperatures[tag])
    for name, weighting in weightings.items():
        yield _Contender(
            name,
            True,
            name == "ensemble",
            weighting.space,
            weighting.weights,
            ensemble.fused(logits, weighting),
        )
    for name, kind in ensemble.kinds.items():
        yield _Contender(
            name, True, False, kind.space, {}, ensemble.fused_by(name, logits, sources)
        )
    for temperature in ensemble.fixed_temperatures:
        suffix = f" T={temperature:g}"
        for tag in ensemble.teachers:
            yield _Contender(
                tag + suffix,
                False,
                False,
                "",
                {tag: 1.0},
                np.asarray(logits[tag], dtype=np.float64) / temperature,
            )
        for name, weighting in weightings.items():
            fused = ensemble.fused_uncalibrated(logits, weighting, temperature)
            yield _Contender(name + suffix, False, False, weighting.space, weighting.weights, fused)


def oracle(
    hits: np.ndarray,
    labels: np.ndarray,
    resamples: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict[str, Any]:
    """Accuracy and macro-F1 of the oracle with 95 % intervals.

    Args:
        hits: bool [N], whether any teacher is right.
        labels: [N].
        resamples, seed, clusters: of the bootstrap (`stratified_weights`).

    Returns:
        Plain values for JSON: metrics {accuracy, macro_f1: {value, low, high}}, per_class_f1 (None
            for a class without rows).
    """
    y = np.asarray(labels).astype(np.int64)
    present, kept = np.bincount(y, minlength=N_CLASSES) > 0, present_classes()

    def scores(weights: np.ndarray) -> tuple[float, np.ndarray]:
        rows = np.bincount(y, weights=weights, minlength=N_CLASSES)
        right = np.bincount(y, weights=weights * hits, minlength=N_CLASSES)
        recall = np.divide(right, rows, out=np.zeros(N_CLASSES), where=rows > 0)
        return float(right.sum()) / float(rows.sum()), 2 * recall / (1 + recall)

    accuracy, f1 = scores(np.ones(len(y)))
    drawn = []
    for weights in stratified_weights(y, resamples, seed, clusters):
        share, of_class = scores(weights)
        drawn.append((share, float(of_class[kept].mean())))
    values = {"accuracy": accuracy, "macro_f1": float(f1[kept].mean())}
    intervals = map(percentile_interval, values.values(), np.array(drawn).T)
    return {
        "metrics": {
            name: interval.to_dict() for name, interval in zip(values, intervals, strict=True)
        },
        "per_class_f1": {
            name: round(float(f1[i]), 6) if present[i] else None for i, name in enumerate(CLASSES)
        },
    }
