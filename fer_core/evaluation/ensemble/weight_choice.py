"""Choosing weights on some rows, by the grid alone or from its best point on to the least NLL."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.evaluation.calibration.calibration import fit_temperature
from fer_core.evaluation.ensemble.fusion import (
    EnsembleOptions,
    Space,
    best_candidate,
    fuse,
    search_weights,
    simplex,
)
from fer_core.evaluation.ensemble.smooth_search import smooth_weights

__all__ = ["WeightChoice", "choose_weights", "short"]


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
    space, weights = min(
        tried, key=lambda key: tried[key]
    )  # of equals the first, which is the grid's
    return WeightChoice(space, weights, grid, pd.concat(found, ignore_index=True))


def short(value: float) -> float:
    """Six significant digits: what is written is what was measured with, on every machine."""
    return float(f"{value:.6g}")
