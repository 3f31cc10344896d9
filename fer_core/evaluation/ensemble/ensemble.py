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
from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import write_text
from fer_core.evaluation.calibration.calibration import short_temperature
from fer_core.evaluation.ensemble.fusion import (
    EnsembleOptions,
    Space,
    best_candidate,
    fuse,
    normalised,
)
from fer_core.evaluation.ensemble.kinds import (
    KindWeights,
    RowOrigins,
    SourceWeights,
    fit_per_class,
    fit_per_source,
    validate_kinds,
)
from fer_core.evaluation.ensemble.weight_choice import WeightChoice, choose_weights
from fer_core.evaluation.metrics.metrics import all_metrics
from fer_core.logits.store import LogitsSet

__all__ = [
    "Ensemble",
    "Weighting",
    "check_teachers",
    "choose_ensemble",
    "read_ensemble",
    "write_ensemble",
]

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


def choose_ensemble(
    calib: Mapping[str, LogitsSet],
    options: EnsembleOptions,
    bins: int,
    origins: RowOrigins | None = None,
) -> tuple[Ensemble, pd.DataFrame]:
    """Calibrate every teacher, try every weighting and choose, all on calib rows.

    Args:
        calib: of each teacher, the logits of the calib rows and of nothing else.
        options: section `ensemble`.
        bins: confidence bins of ece.
        origins: of the calib rows; only needed for other kinds of weights than the global one.

    Returns:
        The ensemble, and every candidate: search ("grid" or "smooth"), space, weight of each
        teacher, temperature, nll, accuracy, macro_f1, ece.

    Raises:
        ArtifactError: no teacher, teachers of different rows or preprocessing, rows other than
            calib, a teacher that no temperature calibrates, or kinds of weights without the rows'
            origins.
        ParamsError: given weights of an unknown teacher, or of the name of a teacher.
    """
    first = check_teachers(calib)
    if first.covers != ("calib",):
        raise ArtifactError(
            "Fusion weights are chosen on calib rows only.", found=first.covers, expected=("calib",)
        )
    tags, labels = tuple(calib), first.labels
    given = _given(options, tags)
    temperatures = {
        tag: short_temperature(calib[tag].eval, labels, f"teacher {tag}") for tag in tags
    }
    calibrated = [calib[tag].eval.astype(np.float64) / temperatures[tag] for tag in tags]
    choice = choose_weights(calibrated, labels, options, options.spaces, bins)

    def weighting(space: Space, weights: tuple[float, ...]) -> Weighting:
        fused = fuse(calibrated, weights, space)
        temperature = short_temperature(fused, labels, "ensemble")
        return Weighting(
            space,
            dict(zip(tags, weights, strict=True)),
            temperature,
            all_metrics(fused, labels, bins, temperature),
        )

    alone = _best_alone(choice, options)
    chosen = weighting(choice.space, choice.weights)
    kinds: dict[str, KindWeights] = {}
    scores: dict[str, dict[str, float]] = {}
    if set(options.kinds) != {"global"}:
        kinds, scores = _other_kinds(
            {tag: calib[tag].eval for tag in tags},
            temperatures,
            chosen,
            labels,
            options,
            bins,
            origins,
        )
    ensemble = Ensemble(
        teachers=tags,
        model_sha256={tag: calib[tag].model_sha256 for tag in tags},
        temperatures=temperatures,
        chosen=chosen,
        best_single=weighting(alone["space"], alone["weights"]),
        uniform=weighting(choice.space, (1 / len(tags),) * len(tags)),
        objective=options.objective,
        rows_sha256=first.rows_sha256,
        preprocessing_hash=first.preprocessing_hash,
        fixed_temperatures=options.fixed_temperatures,
        given={name: weighting(space, weights) for name, (space, weights) in given.items()},
        kinds=kinds,
        cross_validation=scores,
    )
    return ensemble, _candidates(choice, tags)


def _given(
    options: EnsembleOptions, tags: tuple[str, ...]
) -> dict[str, tuple[Space, tuple[float, ...]]]:
    """Weightings that are not searched: space and weights of the teachers."""
    if taken := [name for name in options.weightings if name in tags]:
        raise ParamsError(
            "A weighting has the name of a teacher.",
            where="params.yaml: ensemble.weightings",
            found=taken,
            remedy="call it otherwise",
        )
    return {
        name: (asked.space, asked.of_teachers(tags, name))
        for name, asked in options.weightings.items()
    }


def _best_alone(choice: WeightChoice, options: EnsembleOptions) -> "pd.Series[Any]":
    """The grid's best candidate of one teacher."""
    single = choice.grid[[max(weights) == 1 for weights in choice.grid["weights"]]].reset_index(
        drop=True
    )
    return single.iloc[best_candidate(single, options.objective)]


def _candidates(choice: WeightChoice, tags: tuple[str, ...]) -> pd.DataFrame:
    """Every candidate, with a column for the weight of each teacher."""
    candidates = pd.concat(
        [choice.grid.assign(search="grid"), choice.smooth.assign(search="smooth")],
        ignore_index=True,
    )
    weights = pd.DataFrame(
        candidates["weights"].tolist(), columns=[f"weight_{tag}" for tag in tags]
    )
    return pd.concat(
        [
            candidates[["search", "space"]],
            weights,
            candidates.drop(columns=["search", "space", "weights"]),
        ],
        axis=1,
    )


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


def _other_kinds(
    raw: Mapping[str, np.ndarray],
    temperatures: Mapping[str, float],
    chosen: Weighting,
    labels: np.ndarray,
    options: EnsembleOptions,
    bins: int,
    origins: RowOrigins | None,
) -> tuple[dict[str, KindWeights], dict[str, dict[str, float]]]:
    """Weights by class and source fitted on all calib rows, and the cross-validation of every
    kind.
    """
    if origins is None:
        raise ArtifactError(
            "Kinds of weights need the sources and groups of the calib rows.",
            found=options.kinds,
            expected="origins",
        )
    calibrated = {
        tag: np.asarray(logits, dtype=np.float64) / temperatures[tag] for tag, logits in raw.items()
    }
    kinds: dict[str, KindWeights] = {}
    if "per_class" in options.kinds:
        kinds["per_class"] = fit_per_class(calibrated, labels, chosen.space)
    if "per_source" in options.kinds:
        elsewhere = SourceWeights(chosen.weights, chosen.temperature)
        kinds["per_source"] = fit_per_source(
            calibrated, labels, origins.sources, elsewhere, chosen.space, options, bins
        )
    return kinds, validate_kinds(raw, labels, origins, options, chosen.space, bins)
