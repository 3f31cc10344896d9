"""Choosing weights on some rows: the best point of the grid, or from there on the least NLL.

The smooth search is L-BFGS-B with exact gradients. It searches shares s of 0 or more, one for each
teacher, so that a teacher can leave the ensemble altogether (a softmax over free numbers could only
approach that). In logit space the fused logits are Σ s z: the sum of the shares is 1 / T, the NLL
is convex in them, and every start ends in the same optimum. In prob space the weights are s / Σ s,
1 / T is searched beside them, and the NLL need not be convex: the search starts at several points
and keeps the best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.calibration.calibration import fit_temperature, short
from fer_core.evaluation.ensemble.fusion import (
    EnsembleOptions,
    Space,
    best_candidate,
    class_major,
    fuse,
    normalised,
    search_weights,
    simplex,
)

__all__ = [
    "SmoothWeights",
    "WeightChoice",
    "choose_weights",
    "objective_of",
    "smooth_weights",
]


_BLOCK = 1 << 13
_TINY = 1e-30
_LOG_BETA = (-5.0, 5.0)
_OPTIONS = {"maxiter": 200, "ftol": 1e-11, "gtol": 1e-7}

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class WeightChoice:
    """What was chosen and what was tried.

    Attributes:
        space: where to average.
        weights: of each teacher; their sum is 1 to six digits.
        grid: every candidate of the grid, as `search_weights` gives them.
        smooth: the smooth optimum of each space, in the same columns; no rows for a search of the
            grid.
    """

    space: Space
    weights: tuple[float, ...]
    grid: pd.DataFrame
    smooth: pd.DataFrame


def choose_weights(
    logits: Sequence[np.ndarray],
    labels: np.ndarray,
    options: EnsembleOptions,
    spaces: Sequence[Space],
    bins: int,
) -> WeightChoice:
    """The best weighting of calibrated teachers on these rows.

    A smooth search starts, in each space, at the grid's best point, at equal weights and at the
    best single teacher, and its optimum is taken only where its NLL is below that of the grid's
    best point: it is never worse.

    Args:
        logits: T arrays [N, 7], calibrated.
        labels: [N].
        options: section `ensemble`.
        spaces: which spaces to try.
        bins: confidence bins of ece.
    """
    count = len(logits)
    grid = search_weights(logits, labels, simplex(count, options.step), spaces, bins)
    best = grid.iloc[best_candidate(grid, options.objective)]
    if options.search == "grid" or count == 1:
        return WeightChoice(best["space"], best["weights"], grid, grid.iloc[:0])
    tried: dict[tuple[Space, tuple[float, ...]], float] = {}
    found = []
    for space in spaces:
        here = grid[grid["space"] == space].reset_index(drop=True)
        alone = here[[max(weights) == 1 for weights in here["weights"]]].reset_index(drop=True)
        top = here["weights"].iloc[best_candidate(here, "nll")]
        starts = [top, (1 / count,) * count, alone["weights"].iloc[best_candidate(alone, "nll")]]
        optimum = tuple(
            short(weight) for weight in smooth_weights(logits, labels, space, starts).weights
        )
        for weights in (top, optimum):
            tried[space, weights] = fit_temperature(fuse(logits, weights, space), labels).nll_after
        found.append(search_weights(logits, labels, np.array([optimum]), [space], bins))
    # of equals the first, which is the grid's
    space, weights = min(tried, key=lambda key: tried[key])
    return WeightChoice(space, weights, grid, pd.concat(found, ignore_index=True))


@dataclass(frozen=True)
class SmoothWeights:
    """The best weighting found.

    Attributes:
        weights: float64 [T], sum 1.
        temperature: of the fused logits.
        nll: mean NLL at it, in nats.
    """

    weights: np.ndarray
    temperature: float
    nll: float


def smooth_weights(
    logits: Sequence[np.ndarray],
    labels: np.ndarray,
    space: Space,
    starts: Sequence[Sequence[float] | np.ndarray],
) -> SmoothWeights:
    """Minimise the mean NLL of the fused rows over weights and fused temperature together.

    Args:
        logits: T arrays [N, 7], calibrated.
        labels: [N].
        space: where to average.
        starts: weightings to start from, each at temperature 1; the same starts always give the
            same result.

    Raises:
        ArtifactError: no start, a start that is no weighting, or rows on which the NLL has no
            finite value at any start.
    """
    if not starts:
        raise ArtifactError(
            "A smooth search needs a weighting to start from.", found=0, expected="one or more"
        )
    objective = objective_of(logits, np.asarray(labels).astype(np.int64), space)
    count = len(logits)
    bounds: list[tuple[float, float | None]] = [(0.0, None)] * count + (
        [_LOG_BETA] if space == "prob" else []
    )
    found = []
    for start in starts:
        shares = normalised(start)
        at = np.append(shares, 0.0) if space == "prob" else shares
        result = minimize(
            objective, at, jac=True, method="L-BFGS-B", bounds=bounds, options=_OPTIONS
        )
        if np.isfinite(result.fun) and result.x[:count].sum() > 0:
            found.append(result)
    if not found:
        raise ArtifactError(
            "The smooth search found no weights with a finite NLL.",
            found=f"{len(starts)} starts",
            where=space,
        )
    best = min(found, key=lambda result: float(result.fun))
    shares = best.x[:count]
    beta = float(np.exp(best.x[count])) if space == "prob" else float(shares.sum())
    return SmoothWeights(normalised(shares), 1 / beta, float(best.fun))


def objective_of(logits: Sequence[np.ndarray], labels: np.ndarray, space: Space) -> Objective:
    """The mean NLL as a function of what is searched, with its gradient.

    Args:
        logits: T arrays [N, 7].
        labels: int64 [N].
        space: "logit": a function of the shares [T]; "prob": of the shares and log (1 / T), [T +
            1].
    """
    blocks = class_major(logits, labels, space, _BLOCK, np.float64)
    one = _prob_nll if space == "prob" else _logit_nll

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = 0.0, np.zeros(len(at))
        for stack, y in blocks:
            here, slope = one(at, stack, y)
            value += here
            gradient += slope
        return value / len(labels), gradient / len(labels)

    return objective


def _logit_nll(
    shares: np.ndarray, stack: np.ndarray, labels: np.ndarray
) -> tuple[float, np.ndarray]:
    """Sum of NLL over a block [T, 7, n] and its slope: dNLL / dz = p − one-hot."""
    value, slope = _nll_and_slope(np.tensordot(shares, stack, axes=1), labels)
    return value, np.einsum("tcn,cn->t", stack, slope)


def _prob_nll(at: np.ndarray, stack: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The same for log (Σ w p) / T with w = s / Σ s."""
    shares, beta = at[:-1], np.exp(at[-1])
    total = max(float(shares.sum()), _TINY)
    weights = shares / total
    mixed = np.maximum(np.tensordot(weights, stack, axes=1), _TINY)
    log_mixed = np.log(mixed)
    value, slope = _nll_and_slope(beta * log_mixed, labels)
    by_weight = np.einsum("tcn,cn->t", stack, beta * slope / mixed)
    return value, np.append(
        (by_weight - weights @ by_weight) / total, beta * float((slope * log_mixed).sum())
    )


def _nll_and_slope(z: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Of logits [7, n]: Σ −log p of the label, and its derivative by each logit, [7, n]."""
    z = z - z.max(axis=0)
    p = np.exp(z)
    total = p.sum(axis=0)
    columns = np.arange(len(labels))
    value = float((np.log(total) - z[labels, columns]).sum())
    p /= total
    p[labels, columns] -= 1
    return value, p
