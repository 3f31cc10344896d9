"""What each kind of weights is worth on rows that it was not fitted on: cross-validation over calib
rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from fer_core.base.logs import progress_off
from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.evaluation.calibration.calibration import interior_temperature
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, Space, fuse
from fer_core.evaluation.ensemble.weight_choice import choose_weights, short
from fer_core.evaluation.ensemble.weight_kinds import SourceWeights, fit_per_class, fit_per_source
from fer_core.evaluation.metrics.metrics import measure, outcome_of

__all__ = ["RowOrigins", "validate_kinds"]

_METRICS = ("accuracy", "macro_f1", "nll", "ece")


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
        Undetermined: without a fold, no temperature is best.
        ArtifactError: fewer groups of rows than folds.
    """
    y, sources = np.asarray(labels).astype(np.int64), np.asarray(origins.sources, dtype=object)
    fold = stratified_group_folds(origins.sample_ids, y, origins.groups, options.folds)
    unseen = {kind: np.empty((len(y), 7)) for kind in options.kinds}
    for k in tqdm(range(options.folds), desc="folds", leave=False, disable=progress_off()):
        held = fold == k
        temperatures = {
            tag: short(
                interior_temperature(
                    raw[~held], y[~held], f"teacher {tag} without fold {k}"
                ).temperature
            )
            for tag, raw in logits.items()
        }
        fitted = {
            tag: np.asarray(raw[~held], dtype=np.float64) / temperatures[tag]
            for tag, raw in logits.items()
        }
        shown = {
            tag: np.asarray(raw[held], dtype=np.float64) / temperatures[tag]
            for tag, raw in logits.items()
        }
        weights = choose_weights(list(fitted.values()), y[~held], options, [space], bins).weights
        pooled = fuse(list(fitted.values()), weights, space)
        temperature = short(
            interior_temperature(pooled, y[~held], f"ensemble without fold {k}").temperature
        )
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
