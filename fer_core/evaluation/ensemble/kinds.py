"""Weights that differ by class or by source, and what they are worth on rows not fitted on.

Per class: each class is judged most by the teachers that know it. A teacher's weight for a class is
proportional to the square root of its F1 of the class on calib rows, so two teachers' weights are
as √(F1_A / F1_B), and sums to 1 over the teachers. Logits are normalised to log-probabilities
first: a constant added to all seven of a row means nothing, but would with weights by class.

Per source: weights and fused temperature of a source's own calib rows; a source with few of them,
or unknown, gets those of all rows.

Cross-validation over calib rows compares these kinds with the global weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from tqdm import tqdm

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.evaluation.calibration.calibration import (
    fit_temperature,
    short,
    short_temperature,
)
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, Space, fuse
from fer_core.evaluation.ensemble.weight_choice import choose_weights
from fer_core.evaluation.metrics.metrics import (
    confusion_of,
    f1_scores,
    log_softmax,
    measure,
    outcome_of,
)

__all__ = [
    "ENOUGH_ROWS",
    "KindWeights",
    "RowOrigins",
    "SourceWeights",
    "WeightsByClass",
    "WeightsBySource",
    "class_weights",
    "fit_per_class",
    "fit_per_source",
    "validate_kinds",
]

ENOUGH_ROWS = 200
"""Rows from which on a source has weights of its own."""
_TINY = 1e-30
_METRICS = ("accuracy", "macro_f1", "nll", "ece")

OfClasses = Annotated[list[float], Field(min_length=N_CLASSES, max_length=N_CLASSES)]


@dataclass(frozen=True)
class WeightsByClass:
    """Weights of each teacher for each class.

    Attributes:
        space: where to average.
        weights: tag -> its weight for each class, 7 numbers; those of a class sum to 1 over the
            teachers.
        temperature: of the fused logits.
    """

    space: Space
    weights: dict[str, OfClasses]
    temperature: float

    def fused(
        self, calibrated: Mapping[str, np.ndarray], sources: Sequence[str] | np.ndarray
    ) -> np.ndarray:
        """Fused logits [N, 7] at T = 1 of calibrated logits [N, 7] of each teacher; the sources
        play no part.
        """
        log_p = np.stack([log_softmax(calibrated[tag]) for tag in self.weights])
        shares = np.array(list(self.weights.values()))[:, None, :]
        if self.space == "logit":
            return (shares * log_p).sum(axis=0) / self.temperature
        return np.log(np.maximum((shares * np.exp(log_p)).sum(axis=0), _TINY)) / self.temperature


@dataclass(frozen=True)
class SourceWeights:
    """Weights of each teacher for the rows of a source, and the temperature of the fused logits."""

    weights: dict[str, float]
    temperature: float


@dataclass(frozen=True)
class WeightsBySource:
    """Weights and temperature by source.

    Attributes:
        space: where to average.
        sources: source -> its own.
        elsewhere: for the rows of every other source.
        fallback: source of the calib rows that has none of its own -> why.
    """

    space: Space
    sources: dict[str, SourceWeights]
    elsewhere: SourceWeights
    fallback: dict[str, str]

    def fused(
        self, calibrated: Mapping[str, np.ndarray], sources: Sequence[str] | np.ndarray
    ) -> np.ndarray:
        """Fused logits [N, 7] at T = 1 of calibrated logits [N, 7] of each teacher.

        Raises:
            ArtifactError: not one source for each row.
        """
        names = np.asarray(sources, dtype=object)
        count = len(next(iter(calibrated.values())))
        if len(names) != count:
            raise ArtifactError(
                "Weights by source need the source of each row.", found=len(names), expected=count
            )
        fused = np.empty((count, N_CLASSES))
        for name in dict.fromkeys(names.tolist()):
            mine = names == name
            how = self.sources.get(name, self.elsewhere)
            logits = [calibrated[tag][mine] for tag in how.weights]
            fused[mine] = fuse(logits, list(how.weights.values()), self.space) / how.temperature
        return fused


KindWeights = WeightsByClass | WeightsBySource


def class_weights(f1: np.ndarray) -> np.ndarray:
    """Weights [T, 7] proportional to √F1 [T, 7] of each class; equal for a class that no teacher
    knows.
    """
    roots = np.sqrt(np.asarray(f1, dtype=np.float64))
    total = roots.sum(axis=0)
    return np.where(total > 0, roots / np.where(total > 0, total, 1), 1 / len(roots))


def fit_per_class(
    calibrated: Mapping[str, np.ndarray], labels: np.ndarray, space: Space
) -> WeightsByClass:
    """Weights by class from each teacher's F1 on these rows, and the fused temperature of least
    NLL.
    """
    y = np.asarray(labels).astype(np.int64)
    found = [np.asarray(logits).argmax(axis=1) for logits in calibrated.values()]
    f1 = [f1_scores(confusion_of(N_CLASSES * y + predicted)) for predicted in found]
    weights = {
        tag: [short(value) for value in row]
        for tag, row in zip(calibrated, class_weights(np.array(f1)).tolist(), strict=True)
    }
    untempered = WeightsByClass(space, weights, 1.0).fused(calibrated, ())
    return WeightsByClass(space, weights, short_temperature(untempered, y, "per-class weights"))


def fit_per_source(
    calibrated: Mapping[str, np.ndarray],
    labels: np.ndarray,
    sources: Sequence[str] | np.ndarray,
    elsewhere: SourceWeights,
    space: Space,
    options: EnsembleOptions,
    bins: int,
) -> WeightsBySource:
    """Weights and fused temperature of each source with `ENOUGH_ROWS` rows that determine a
    temperature; `elsewhere` for the others.
    """
    names, y = np.asarray(sources, dtype=object), np.asarray(labels)
    own: dict[str, SourceWeights] = {}
    fallback: dict[str, str] = {}
    for name in sorted(set(names.tolist())):
        mine = names == name
        if (count := int(mine.sum())) < ENOUGH_ROWS:
            fallback[name] = f"{count} calib rows, expected {ENOUGH_ROWS} or more"
            continue
        logits = [array[mine] for array in calibrated.values()]
        weights = choose_weights(logits, y[mine], options, [space], bins).weights
        fit = fit_temperature(fuse(logits, weights, space), y[mine])
        if fit.at_bound:
            fallback[name] = f"its {count} calib rows determine no temperature"
        else:
            own[name] = SourceWeights(
                dict(zip(calibrated, weights, strict=True)), short(fit.temperature)
            )
    return WeightsBySource(space, own, elsewhere, fallback)


@dataclass(frozen=True)
class RowOrigins:
    """Of each calib row: its sample_id, source and group (rows of a group share a fold)."""

    sample_ids: Sequence[str]
    sources: Sequence[str]
    groups: Sequence[str]


def validate_kinds(
    logits: Mapping[str, np.ndarray],
    labels: np.ndarray,
    origins: RowOrigins,
    options: EnsembleOptions,
    space: Space,
    bins: int,
) -> dict[str, dict[str, float]]:
    """Fit the teachers' temperatures and every kind of weights without each fold, and measure all
    rows as the unseen ones they are.

    Args:
        logits: raw [N, 7] of each teacher.
        labels: [N].
        origins: of the N rows.
        options: section `ensemble`: which kinds, how many folds, which search.
        space: where to average; it was chosen on all rows and is the same for every kind.
        bins: confidence bins of ece.

    Returns:
        Kind -> accuracy, macro_f1, nll, ece.

    Raises:
        ArtifactError: all rows are of one group.
    """
    y, sources = np.asarray(labels).astype(np.int64), np.asarray(origins.sources, dtype=object)
    folds = max(2, min(options.folds, len(set(origins.groups))))
    fold = stratified_group_folds(origins.sample_ids, y, origins.groups, folds)
    unseen = {kind: np.empty((len(y), 7)) for kind in options.kinds}
    for k in tqdm(range(folds), desc="folds", leave=False, disable=progress_off()):
        held = fold == k
        temperatures = {
            tag: short_temperature(raw[~held], y[~held], f"teacher {tag} without fold {k}")
            for tag, raw in logits.items()
        }
        fitted, shown = (
            {
                tag: np.asarray(raw[rows], dtype=np.float64) / temperatures[tag]
                for tag, raw in logits.items()
            }
            for rows in (~held, held)
        )
        weights = choose_weights(list(fitted.values()), y[~held], options, [space], bins).weights
        pooled = fuse(list(fitted.values()), weights, space)
        temperature = short_temperature(pooled, y[~held], f"ensemble without fold {k}")
        unseen["global"][held] = fuse(list(shown.values()), weights, space) / temperature
        if "per_class" in options.kinds:
            unseen["per_class"][held] = fit_per_class(fitted, y[~held], space).fused(
                shown, sources[held]
            )
        if "per_source" in options.kinds:
            elsewhere = SourceWeights(dict(zip(logits, weights, strict=True)), temperature)
            per_source = fit_per_source(
                fitted, y[~held], sources[~held], elsewhere, space, options, bins
            )
            unseen["per_source"][held] = per_source.fused(shown, sources[held])
    return {
        kind: {
            name: round(value, 6)
            for name, value in measure(outcome_of(fused, y, bins), names=_METRICS).items()
        }
        for kind, fused in unseen.items()
    }
