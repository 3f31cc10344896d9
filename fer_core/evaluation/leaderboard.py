"""The leaderboard: teachers alone and fused, on every named test set.

Nothing is chosen here: temperatures and weights come from calib rows, and the row of the weighting chosen there is marked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.data.logits import LogitsSet
from fer_core.errors import ArtifactError
from fer_core.evaluation.ensemble import Ensemble, check_teachers
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import evaluate_logits
from fer_core.files import new_folder, read_json, write_json, write_text
from fer_core.logs import progress_off

__all__ = ["leaderboard", "read_leaderboard", "write_leaderboard"]

_SCHEMA = 1


@dataclass(frozen=True)
class _Entry:
    name: str
    calibrated: bool
    chosen: bool
    space: str
    weights: dict[str, float]
    logits: np.ndarray


def leaderboard(
    test: Mapping[str, LogitsSet], ensemble: Ensemble, sets: Mapping[str, np.ndarray], options: EvaluationOptions, seed: int
) -> list[dict[str, Any]]:
    """Measure every entry on every set.

    Args:
        test: test logits of each teacher of the ensemble.
        ensemble: what was chosen on calib rows.
        sets: named test set -> bool [N_test].
        options: section `evaluation`.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON, by set and falling macro-F1: set, entry, calibrated, chosen, space, weights, rows_expected, rows_used,
        metrics with intervals, per_class_f1, confusion. Entries: each teacher raw and temperature scaled, best_single, uniform, ensemble.

    Raises:
        ArtifactError: teachers of other weights or preprocessing than the ensemble's, of different rows, or of rows other than test.
    """
    first = check_teachers(test)
    if first.covers != ("test",) or set(test) != set(ensemble.teachers):
        raise ArtifactError(
            "A leaderboard needs the test logits of the ensemble's teachers.", found=(list(test), first.covers), expected=ensemble.teachers
        )
    for tag, logits in test.items():
        found, expected = (logits.model_sha256, logits.preprocessing_hash), (ensemble.model_sha256[tag], ensemble.preprocessing_hash)
        if found != expected:
            raise ArtifactError("The ensemble was chosen with another version of a teacher.", where=tag, found=found, expected=expected)
    entries = list(_entries({tag: logits.eval for tag, logits in test.items()}, ensemble))
    board = []
    bar = tqdm(total=len(entries) * len(sets), desc="leaderboard", leave=False, disable=progress_off())
    for name, mask in sets.items():
        rows: list[dict[str, Any]] = []
        for entry in entries:
            result = evaluate_logits(entry.logits[mask], first.labels[mask], options, seed)
            about = {
                "entry": entry.name,
                "calibrated": entry.calibrated,
                "chosen": entry.chosen,
                "space": entry.space,
                "weights": entry.weights,
            }
            rows.append({"set": name, **about, "rows_expected": int(mask.sum()), "rows_used": sum(map(sum, result["confusion"])), **result})
            bar.update()
        board += sorted(rows, key=lambda row: -row["metrics"]["macro_f1"]["value"])
    bar.close()
    if lost := [row for row in board if row["rows_expected"] != row["rows_used"]]:
        raise ArtifactError("A set lost rows.", where=lost[0]["set"], found=lost[0]["rows_used"], expected=lost[0]["rows_expected"])
    return board


def write_leaderboard(folder: Path, board: list[dict[str, Any]], rows_sha256: str) -> None:
    """Write `leaderboard.json` (everything) and `leaderboard.csv` (one line an entry and set) in one step."""
    lines = []
    for row in board:
        line = {name: row[name] for name in ("set", "entry", "calibrated", "chosen", "space")}
        line["weights"] = " ".join(f"{tag}={weight:.6g}" for tag, weight in row["weights"].items())
        line |= {"rows_expected": row["rows_expected"], "rows_used": row["rows_used"]}
        for name, interval in row["metrics"].items():
            line |= {name: interval["value"], f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
        lines.append(line)
    with new_folder(folder) as temporary:
        write_json(temporary / "leaderboard.json", {"schema": _SCHEMA, "rows_sha256": rows_sha256, "rows": board})
        write_text(temporary / "leaderboard.csv", pd.DataFrame(lines).to_csv(index=False, lineterminator="\n"))


def read_leaderboard(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of `leaderboard.json`.

    Raises:
        ArtifactError: missing, damaged or of another version.
    """
    values = read_json(folder / "leaderboard.json")
    if not isinstance(values, dict) or values.get("schema") != _SCHEMA:
        raise ArtifactError("This leaderboard is of another version.", where=folder, expected=_SCHEMA)
    return values["rows"]


def _entries(logits: Mapping[str, np.ndarray], ensemble: Ensemble) -> Iterator[_Entry]:
    for tag in ensemble.teachers:
        raw = np.asarray(logits[tag], dtype=np.float64)
        yield _Entry(tag, False, False, "", {tag: 1.0}, raw)
        yield _Entry(tag, True, False, "", {tag: 1.0}, raw / ensemble.temperatures[tag])
    for name, weighting in (("best_single", ensemble.best_single), ("uniform", ensemble.uniform), ("ensemble", ensemble.chosen)):
        yield _Entry(name, True, name == "ensemble", weighting.space, weighting.weights, ensemble.fused(logits, weighting))
