"""Fusing teachers: the formula, and the search for weights on calib rows.

Teachers are calibrated each on its own before they are fused (raw ArcFace logits are almost
one-hot), and the fused logits get a temperature of their own. Two spaces: `prob` averages
probabilities (linear opinion pool), `logit` averages logits (logarithmic pool).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator
from tqdm import tqdm

from fer_core.base.absent import present_classes
from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.base.params import Section, each_once
from fer_core.evaluation.metrics.metrics import f1_scores, log_softmax

__all__ = [
    "EnsembleOptions",
    "GivenWeights",
    "Kind",
    "Space",
    "best_candidate",
    "class_major",
    "fuse",
    "normalised",
    "search_weights",
    "simplex",
]

Space = Literal["prob", "logit"]
Kind = Literal["global", "per_class", "per_source"]
_FROM_LAST = np.arange(N_CLASSES, 0, -1, dtype=np.uint8)[:, None]
_TAKEN = ("best_single", "uniform", "ensemble", "oracle", "per_class", "per_source")


class GivenWeights(Section):
    """A weighting that is given and not searched.

    Attributes:
        space: "prob" or "logit".
        weights: teacher -> weight; only their ratios matter, and teachers that are left out have
            none.
    """

    space: Space
    weights: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(min_length=1)
    ]

    @field_validator("weights")
    @classmethod
    def _some(cls, weights: dict[str, float]) -> dict[str, float]:
        if sum(weights.values()) <= 0:
            raise ValueError("the sum of the weights must be greater than 0")
        return weights

    def of_teachers(self, tags: Sequence[str], name: str) -> tuple[float, ...]:
        """Weights of these teachers, in their order; they sum to 1.

        Raises:
            ParamsError: a weight of another teacher.
        """
        if unknown := [tag for tag in self.weights if tag not in tags]:
            raise ParamsError(
                "A weighting names a teacher that does not exist.",
                where=f"params.yaml: ensemble.weightings.{name}.weights",
                found=", ".join(unknown),
                expected=f"some of {', '.join(tags)}",
            )
        return tuple(normalised([self.weights.get(tag, 0.0) for tag in tags]).tolist())


class EnsembleOptions(Section):
    """How the teachers' weights are searched: section `ensemble`.

    Attributes:
        spaces: where to average; the search tries each.
        step: distance of neighbouring weights on the grid; a whole number of steps makes 1.
        objective: what is best on calib rows: least NLL or greatest macro-F1 (NLL decides between
            equals).
        search: "grid": the best point of the grid; "smooth": from there on to the least NLL between
            the points.
        fixed_temperatures: each a further block of the leaderboard: teachers and weightings, the
            raw logits divided by it.
        weightings: name -> weights that the leaderboard shows beside those searched, such as
            .4/.4/.2 of an earlier system.
        kinds: of weights that the leaderboard shows: one for all rows, one for each class, one for
            each source. Soft labels come from the global ones, unless `targets.weights` says
            otherwise.
        folds: of the cross-validation that reports on the kinds.
    """

    spaces: list[Space] = Field(min_length=1)
    step: Annotated[float, Field(gt=0, le=1)]
    objective: Literal["nll", "macro_f1"]
    search: Literal["grid", "smooth"] = "grid"
    fixed_temperatures: Annotated[
        tuple[Annotated[float, Field(gt=0, le=100)], ...], each_once()
    ] = ()
    weightings: dict[str, GivenWeights] = Field(default_factory=dict)
    kinds: Annotated[tuple[Kind, ...], each_once("global")] = ("global",)
    folds: Annotated[int, Field(ge=2, le=20)] = 5

    @field_validator("step")
    @classmethod
    def _divides_one(cls, step: float) -> float:
        if abs(1 / step - round(1 / step)) > 1e-6:
            raise ValueError("1 must be a whole number of steps")
        return step

    @field_validator("weightings")
    @classmethod
    def _free_names(cls, weightings: dict[str, GivenWeights]) -> dict[str, GivenWeights]:
        if taken := [name for name in weightings if name in _TAKEN or " T=" in name]:
            raise ValueError(f"{', '.join(taken)}: the leaderboard has entries of this name")
        return weightings

    @model_validator(mode="after")
    def _smooth_is_of_the_nll(self) -> "EnsembleOptions":
        if self.search == "smooth" and self.objective != "nll":
            raise ValueError("a smooth search needs objective: nll, because macro-F1 has no slope")
        return self


def normalised(weights: Sequence[float] | np.ndarray, where: object = None) -> np.ndarray:
    """Weights that sum to 1, float64 [T].

    Args:
        weights: T numbers.
        where: file and key they come from, for the error text.

    Raises:
        ArtifactError: no weight, one that is negative or not finite, or all of them 0.
    """
    values = np.asarray(weights, dtype=np.float64)
    if (
        values.ndim != 1
        or not len(values)
        or not np.isfinite(values).all()
        or (values < 0).any()
        or values.sum() <= 0
    ):
        raise ArtifactError(
            "These are no fusion weights.",
            where=where,
            found=values.tolist(),
            expected="numbers of 0 or more whose sum is greater than 0",
            remedy="run `fer run` (or `dvc repro`) to make them again",
        )
    return values / values.sum()


def fuse(
    logits: Sequence[np.ndarray], weights: Sequence[float] | np.ndarray, space: Space
) -> np.ndarray:
    """Fuse calibrated logits of T teachers.

    Args:
        logits: T arrays [..., 7] of one shape.
        weights: T numbers; only their ratios matter.
        space: "prob": log Σ w softmax(z), "logit": Σ w z.

    Returns:
        float64 [..., 7].

    Raises:
        ArtifactError: weights that are none, or not one for each teacher.
    """
    shares = normalised(weights)
    if len(shares) != len(logits) or len({array.shape for array in logits}) != 1:
        raise ArtifactError(
            "Fusion needs one weight for each teacher and logits of one shape.",
            found=[array.shape for array in logits],
            expected=len(shares),
        )
    used = [(share, array) for share, array in zip(shares, logits, strict=True) if share > 0]
    if space == "logit":
        return np.sum(
            [share * np.asarray(array, dtype=np.float64) for share, array in used], axis=0
        )
    return np.logaddexp.reduce(
        [np.log(share) + log_softmax(array) for share, array in used], axis=0
    )


def simplex(count: int, step: float) -> np.ndarray:
    """Every weighting of `count` teachers on the grid, float64 [M, count]; rows sum to 1, weight on
    the first teachers comes first.
    """
    steps = round(1 / step)
    cuts = itertools.combinations(range(steps + count - 1), count - 1)
    parts = [np.diff([-1, *cut, steps + count - 1]) - 1 for cut in cuts]
    return np.array(parts[::-1], dtype=np.float64) / steps


def class_major(
    logits: Sequence[np.ndarray], labels: np.ndarray, space: Space, rows: int, kind: type
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is averaged, cut into blocks of so many rows: [T, 7, n] of type `kind`, and labels [n].

    It is probabilities in the space "prob" and logits in the space "logit".
    """
    parts = [
        np.exp(log_softmax(z)) if space == "prob" else np.asarray(z, dtype=np.float64)
        for z in logits
    ]
    return [
        (
            np.ascontiguousarray(np.stack([part[i : i + rows].T for part in parts]), dtype=kind),
            labels[i : i + rows],
        )
        for i in range(0, len(labels), rows)
    ]


def search_weights(
    logits: Sequence[np.ndarray],
    labels: np.ndarray,
    weightings: np.ndarray,
    spaces: Sequence[Space],
    bins: int,
) -> pd.DataFrame:
    """Measure every weighting in every space on the rows given.

    Each candidate is measured at the fused temperature of its own least NLL. Single precision:
    differences below 1e-5 mean nothing.

    Args:
        logits: T arrays [N, 7], calibrated.
        labels: [N].
        weightings: float [M, T].
        spaces: which spaces to try.
        bins: confidence bins of ece.

    Returns:
        One row a candidate, in the order of `spaces` × `weightings`: space, weights (tuple),
            temperature, nll, accuracy, macro_f1, ece.
    """
    labels = np.asarray(labels).astype(np.int64)
    found = []
    bar = tqdm(
        total=len(spaces) * len(weightings), desc="weightings", leave=False, disable=progress_off()
    )
    for space in spaces:
        blocks = class_major(logits, labels, space, 1 << 14, np.float32)
        for weights in weightings:
            fused = [_Block.of(stack, y, normalised(weights), space) for stack, y in blocks]
            found.append(
                {
                    "space": space,
                    "weights": tuple(float(w) for w in weights),
                    **_measure(fused, bins),
                }
            )
            bar.update()
    bar.close()
    return pd.DataFrame(found)


def best_candidate(candidates: pd.DataFrame, objective: Literal["nll", "macro_f1"]) -> int:
    """Position of the best candidate; between equals the lower NLL, then the one listed first."""
    if objective == "nll":
        keys: list[np.ndarray] = [candidates["nll"].round(6).to_numpy()]
    else:
        keys = [-candidates["macro_f1"].round(6).to_numpy(), candidates["nll"].round(6).to_numpy()]
    return int(np.lexsort(keys[::-1])[0])


@dataclass(frozen=True)
class _Block:
    """Fused logits of some rows, class-major (float32 [7, n], greatest 0), so that every reduction
    runs along whole vectors.
    """

    z: np.ndarray
    z_label: np.ndarray
    cell: np.ndarray
    correct: np.ndarray

    @classmethod
    def of(
        cls, stack: np.ndarray, labels: np.ndarray, weights: np.ndarray, space: Space
    ) -> "_Block":
        z = np.tensordot(weights.astype(np.float32), stack, axes=1)
        if space == "prob":
            z = np.log(np.maximum(z, np.float32(1e-30)))
        z -= z.max(axis=0)
        # between equals the first class, as argmax would say, which is slow along this axis
        prediction = N_CLASSES - ((z == 0) * _FROM_LAST).max(axis=0)
        return cls(
            z,
            z[labels, np.arange(len(labels))],
            N_CLASSES * labels + prediction,
            prediction == labels,
        )


def _measure(blocks: list[_Block], bins: int) -> dict[str, float]:
    """Metrics of fused rows at their own best temperature."""
    count = sum(len(block.cell) for block in blocks)
    beta = _best_beta(blocks, count)
    nll, surplus = 0.0, np.zeros(bins)
    for block in blocks:
        total = np.exp(block.z * beta).sum(axis=0)
        nll += float((np.log(total) - beta * block.z_label).sum(dtype=np.float64))
        confidence = 1 / total
        bin_of_row = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        surplus += np.bincount(bin_of_row, weights=block.correct - confidence, minlength=bins)
    confusion = sum(np.bincount(block.cell, minlength=N_CLASSES**2) for block in blocks)
    confusion = np.asarray(confusion).reshape(N_CLASSES, N_CLASSES)
    return {
        "temperature": round(1 / float(beta), 5),
        "nll": round(nll / count, 6),
        "accuracy": round(float(np.trace(confusion)) / count, 6),
        "macro_f1": round(float(f1_scores(confusion)[present_classes()].mean()), 6),
        "ece": round(float(np.abs(surplus).sum()) / count, 6),
    }


def _best_beta(blocks: list[_Block], count: int) -> np.float32:
    """1 / T of least NLL by Newton's method from 1: the NLL is convex in it, with gradient E[z] −
    z_label and curvature Var[z].
    """
    beta = 1.0
    for _ in range(20):
        gradient = curvature = 0.0
        for block in blocks:
            p = np.exp(block.z * np.float32(beta))
            total = p.sum(axis=0)
            p *= block.z
            mean = p.sum(axis=0) / total
            p *= block.z
            gradient += float((mean - block.z_label).sum(dtype=np.float64))
            curvature += float((p.sum(axis=0) / total - mean**2).sum(dtype=np.float64))
        step = gradient / max(curvature, 1e-12 * count)
        moved = float(np.clip(beta - step, max(beta / 3, 1e-2), min(beta * 3, 1e2)))
        if abs(moved - beta) < 1e-3 * beta:
            return np.float32(moved)
        beta = moved
    return np.float32(beta)
