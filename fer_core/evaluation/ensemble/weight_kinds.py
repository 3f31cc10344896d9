"""Weights that are not the same for every row or class.

Per class: each class is judged most by the teachers that know it. A teacher's weight for a class is
proportional to the square root of its F1 of the class on calib rows, so two teachers' weights are
as √(F1_A / F1_B), and sums to 1 over the teachers. Logits are normalised to log-probabilities
first: a constant added to all seven of a row means nothing, but would with weights by class.

Per source: weights and fused temperature of a source's own calib rows; a source with few of them,
or unknown, gets those of all rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.evaluation.calibration.calibration import fit_temperature, interior_temperature
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, Space, fuse
from fer_core.evaluation.ensemble.weight_choice import choose_weights, short
from fer_core.evaluation.metrics.metrics import f1_scores, log_softmax

__all__ = [
    "ENOUGH_ROWS",
    "KindWeights",
    "PerClass",
    "PerSource",
    "SourceWeights",
    "class_weights",
    "fit_per_class",
    "fit_per_source",
]

ENOUGH_ROWS = 200
"""Rows from which on a source has weights of its own."""
_TINY = 1e-30

OfClasses = Annotated[list[float], Field(min_length=N_CLASSES, max_length=N_CLASSES)]


@dataclass(frozen=True)
class PerClass:
    """Attributes:
    space: where to average. weights: tag -> its weight for each class, 7 numbers; those of a class
    sum to 1 over the teachers. temperature: of the fused logits.
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
    """Attributes:
    weights: of each teacher.
    temperature: of the fused logits.
    """

    weights: dict[str, float]
    temperature: float


@dataclass(frozen=True)
class PerSource:
    """Attributes:
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


KindWeights = PerClass | PerSource


def class_weights(f1: np.ndarray) -> np.ndarray:
    """Weights [T, 7] proportional to √F1 [T, 7] of each class; equal for a class that no teacher
    knows.
    """
    roots = np.sqrt(np.asarray(f1, dtype=np.float64))
    total = roots.sum(axis=0)
    return np.where(total > 0, roots / np.where(total > 0, total, 1), 1 / len(roots))


def fit_per_class(
    calibrated: Mapping[str, np.ndarray], labels: np.ndarray, space: Space
) -> PerClass:
    """Weights by class from each teacher's F1 on these rows, and the fused temperature of least
    NLL.

    Raises:
        Undetermined: no temperature is best.
    """
    y = np.asarray(labels).astype(np.int64)
    f1 = [f1_scores(_confusion(logits, y)) for logits in calibrated.values()]
    weights = {
        tag: [short(value) for value in row]
        for tag, row in zip(calibrated, class_weights(np.array(f1)).tolist(), strict=True)
    }
    untempered = PerClass(space, weights, 1.0).fused(calibrated, ())
    return PerClass(
        space, weights, short(interior_temperature(untempered, y, "per-class weights").temperature)
    )


def fit_per_source(
    calibrated: Mapping[str, np.ndarray],
    labels: np.ndarray,
    sources: Sequence[str] | np.ndarray,
    elsewhere: SourceWeights,
    space: Space,
    options: EnsembleOptions,
    bins: int,
) -> PerSource:
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
    return PerSource(space, own, elsewhere, fallback)


def _confusion(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    cells = N_CLASSES * labels + np.asarray(logits).argmax(axis=1)
    return np.bincount(cells, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES)
