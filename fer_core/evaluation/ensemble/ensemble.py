"""The ensemble: calibrated teachers with the weights chosen on calib rows, as an artifact.

`data/ensemble/` holds `ensemble.json` (the choice, for reference the best single teacher and equal
weights, and whatever other kinds of weights, given weightings and fixed temperatures the
leaderboard is to show) and `search.csv` (every candidate). Nothing in it comes from test rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.artifact import Header, new_artifact, open_artifact, read_values, write_values
from fer_core.base.errors import ArtifactError
from fer_core.base.files import write_text
from fer_core.evaluation.ensemble.fusion import Space, fuse, normalised
from fer_core.evaluation.ensemble.kinds import KindWeights
from fer_core.logits.store import LogitsSet

__all__ = ["Ensemble", "Weighting", "check_teachers", "read_ensemble", "write_ensemble"]

_KIND, _FILE = "ensemble/4", "ensemble.json"


@dataclass(frozen=True)
class Weighting:
    """A way to fuse calibrated teachers.

    Attributes:
        space: "prob" or "logit".
        weights: of each teacher; they sum to 1.
        temperature: of the fused logits, fitted on calib rows.
        calib: metrics on calib rows.
    """

    space: Space
    weights: dict[str, float]
    temperature: float
    calib: dict[str, Any]


@dataclass(frozen=True)
class Ensemble:
    """Calibrated teachers and how to fuse them.

    Attributes:
        teachers: tags, in the order of params.yaml.
        model_sha256: of each teacher's weights.
        temperatures: of each teacher, fitted on calib rows.
        chosen, best_single, uniform: weightings.
        objective: what `chosen` and `best_single` are best in.
        rows_sha256: of the dev rows that everything was fitted on.
        preprocessing_hash: of all teachers.
        fixed_temperatures: at which the leaderboard shows raw logits too.
        given: weightings that were not searched, as `ensemble.weightings` asks for.
        kinds: weights by class or source, as `ensemble.kinds` asks for.
        cross_validation: kind of weights -> metrics of calib rows that it was not fitted on; empty
            where only the global one is asked for.
    """

    teachers: tuple[str, ...]
    model_sha256: dict[str, str]
    temperatures: dict[str, float]
    chosen: Weighting
    best_single: Weighting
    uniform: Weighting
    objective: str
    rows_sha256: str
    preprocessing_hash: str
    fixed_temperatures: tuple[float, ...] = ()
    given: dict[str, Weighting] = field(default_factory=dict)
    kinds: dict[str, KindWeights] = field(default_factory=dict)
    cross_validation: dict[str, dict[str, float]] = field(default_factory=dict)

    def weightings(self) -> dict[str, Weighting]:
        """Weightings by the names that the leaderboard gives them."""
        return {
            "best_single": self.best_single,
            "uniform": self.uniform,
            "ensemble": self.chosen,
            **self.given,
        }

    def fused(
        self, logits: Mapping[str, np.ndarray], weighting: Weighting | None = None
    ) -> np.ndarray:
        """Calibrated fused logits at T = 1.

        Args:
            logits: raw logits [..., 7] of each teacher.
            weighting: instead of the chosen one.

        Returns:
            float64 [..., 7].
        """
        how = weighting or self.chosen
        return (
            fuse(
                list(self._calibrated(logits).values()),
                [how.weights[tag] for tag in self.teachers],
                how.space,
            )
            / how.temperature
        )

    def fused_by(
        self, kind: str, logits: Mapping[str, np.ndarray], sources: Sequence[str] | np.ndarray
    ) -> np.ndarray:
        """Calibrated fused logits at T = 1 under one of `kinds`: float64 [N, 7] of raw logits [N,
        7] and the rows' sources [N].
        """
        return self.kinds[kind].fused(self._calibrated(logits), sources)

    def fused_uncalibrated(
        self, logits: Mapping[str, np.ndarray], weighting: Weighting, temperature: float
    ) -> np.ndarray:
        """Fused raw logits, divided by a temperature that nothing was fitted for: float64 [...,
        7].
        """
        raw = [np.asarray(logits[tag], dtype=np.float64) for tag in self.teachers]
        return (
            fuse(raw, [weighting.weights[tag] for tag in self.teachers], weighting.space)
            / temperature
        )

    def _calibrated(self, logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            tag: np.asarray(logits[tag], dtype=np.float64) / self.temperatures[tag]
            for tag in self.teachers
        }


def check_teachers(logits: Mapping[str, LogitsSet]) -> LogitsSet:
    """Refuse teachers that cannot be fused; return the first one's logits.

    Raises:
        ArtifactError: no teacher, or other rows, preprocessing or views than the first one's.
    """
    if not logits:
        raise ArtifactError(
            "There is no teacher to fuse.", where="params.yaml: teachers", expected="one or more"
        )
    name, first = next(iter(logits.items()))
    for tag, other in logits.items():
        for what in ("rows_sha256", "covers", "preprocessing_hash", "views_hash"):
            if (found := getattr(other, what)) != (expected := getattr(first, what)):
                raise ArtifactError(
                    f"Teachers {tag} and {name} cannot be fused: their {what} differ.",
                    found=found,
                    expected=expected,
                )
        if other.sample_ids != first.sample_ids:
            raise ArtifactError(f"Teachers {tag} and {name} cannot be fused: their rows differ.")
    return first


def write_ensemble(folder: Path, ensemble: Ensemble, candidates: pd.DataFrame) -> None:
    """Write the folder in one step."""
    header = Header(_KIND, rows_sha256=ensemble.rows_sha256, made_from=dict(ensemble.model_sha256))
    with new_artifact(folder, header) as temporary:
        write_values(temporary / _FILE, ensemble)
        write_text(temporary / "search.csv", candidates.to_csv(index=False, lineterminator="\n"))


def read_ensemble(folder: Path) -> Ensemble:
    """Read `ensemble.json`.

    Raises:
        ArtifactError: missing, damaged, of another version or class order, or with weights that sum
            to 0 or are not of each teacher and class.
    """
    open_artifact(folder, _KIND)
    file = folder / _FILE
    ensemble = read_values(file, Ensemble)
    for name, weighting in ensemble.weightings().items():
        key = {"ensemble": "chosen"}.get(name, name)
        normalised(list(weighting.weights.values()), f"{file}: {key}.weights")
    for table in (ensemble.model_sha256, ensemble.temperatures, ensemble.chosen.weights):
        if tuple(table) != ensemble.teachers:
            raise ArtifactError(
                "This ensemble does not know each of its teachers.",
                where=file,
                found=list(table),
                expected=ensemble.teachers,
            )
    return ensemble
