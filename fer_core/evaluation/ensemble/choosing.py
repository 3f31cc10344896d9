"""Choosing the ensemble on calib rows: every teacher's temperature, every weighting tried, and the
other kinds of weights.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.evaluation.calibration.calibration import short_temperature
from fer_core.evaluation.ensemble.ensemble import Ensemble, Weighting, check_teachers
from fer_core.evaluation.ensemble.fusion import EnsembleOptions, Space, best_candidate, fuse
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

__all__ = ["choose_ensemble"]


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
