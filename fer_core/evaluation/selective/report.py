"""Abstention of the deployed student: thresholds fitted on calib rows, and what they do on test
rows.

`data/selective/` holds the thresholds, which the exported file carries; `metrics/selective.json`
what they and the risk-coverage curve are worth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base.artifact import Header, new_artifact, open_artifact, read_values, write_values
from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES
from fer_core.evaluation.metrics.bootstrap import interval_of
from fer_core.evaluation.metrics.deployed import Answers, refused
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.selective.conformal import class_sets, class_thresholds
from fer_core.evaluation.selective.curve import (
    Curve,
    aurc,
    coverage_at,
    risk_coverage,
    threshold_for,
)
from fer_core.evaluation.selective.options import SelectiveOptions

__all__ = ["Fitted", "fit", "measure_selective", "read_fitted", "write_fitted"]

_KIND = "selective/1"
_FILE = "thresholds.json"
_POINTS = 60


@dataclass(frozen=True)
class Fitted:
    """Thresholds of confidence and of class probabilities, fitted on calib rows.

    Attributes:
        risk: that `--threshold auto` aims at.
        auto: its threshold; None where calib rows promise it at none.
        miss: of the sets.
        classes: class -> least probability; None where it is always kept.
        abstain: risk, as text -> threshold or None.
        calib_rows: that all of it was fitted on.
    """

    risk: float
    auto: float | None
    miss: float
    classes: dict[str, float | None]
    abstain: dict[str, float | None]
    calib_rows: int


def fit(calib: Answers, options: SelectiveOptions) -> Fitted:
    """Fit every threshold on calib rows, to six decimals; a confidence is rounded up."""
    sure = calib.confidence

    def threshold(risk: float) -> float | None:
        found = threshold_for(sure, calib.right, risk)
        return None if found is None else float(np.ceil(found * 1e6) / 1e6)

    kept = class_thresholds(calib.p, calib.labels, options.miss)
    return Fitted(
        options.auto,
        threshold(options.auto),
        options.miss,
        {
            name: None if value is None else float(np.floor(value * 1e6) / 1e6)
            for name, value in zip(CLASSES, kept, strict=True)
        },
        {f"{risk:g}": threshold(risk) for risk in options.risks},
        len(calib),
    )


def measure_selective(
    test: Answers,
    calib: Answers,
    fitted: Fitted,
    options: SelectiveOptions,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    """What abstention is worth on test rows.

    Args:
        test, calib: answers to these rows.
        fitted: on the calib rows.
        options: section `trust.selective`.
        evaluation: section `evaluation`.
        seed: of the bootstrap.

    Returns:
        Plain values for JSON: aurc, aurc_best (of a model as often right
        that is surer of every right answer than of any wrong one), coverage_at and
        abstain by risk, sets, curve.
    """
    weights = test.weights(evaluation.bootstrap, seed)
    sure, right = test.confidence, test.right

    def interval(statistic: Callable[[Curve], float]) -> dict[str, float]:
        return interval_of(lambda w: statistic(risk_coverage(sure, right, w)), weights).to_dict()

    # every right answer before every wrong one, each with a confidence of its own
    knowing = np.empty(len(right))
    knowing[np.argsort(~right, kind="stable")] = np.arange(len(right), 0, -1)
    best = interval_of(lambda w: aurc(risk_coverage(knowing, right, w)), weights)
    abstain: dict[str, Any] = {}
    for risk, threshold in fitted.abstain.items():
        if threshold is None:
            reason = f"calib rows promise a risk of {risk} at no threshold"
            abstain[risk] = refused(fitted.calib_rows, reason)
            continue
        abstain[risk] = {"threshold": threshold, **_kept(sure >= threshold, right, weights)}
    return {
        "rows": len(test),
        "aurc": interval(aurc),
        "aurc_best": best.to_dict(),
        "error": interval(lambda curve: float(curve.risk[-1])),
        "coverage_at": {
            f"{risk:g}": interval(partial(coverage_at, risk=risk)) for risk in options.risks
        },
        "abstain": abstain,
        "sets": _sets(test, calib, fitted, weights),
        "curve": _points(sure, right, weights),
    }


def write_fitted(folder: Path, fitted: Fitted, model_sha256: str) -> None:
    """Write the thresholds, with the weights they belong to."""
    header = Header(_KIND, rows=fitted.calib_rows, made_from={"model": model_sha256})
    with new_artifact(folder, header) as temporary:
        write_values(temporary / _FILE, fitted)


def read_fitted(folder: Path, model_sha256: str) -> Fitted:
    """Read the thresholds.

    Raises:
        ArtifactError: missing, damaged, of another version or of other weights.
    """
    header = open_artifact(folder, _KIND)
    if header.made_from.get("model") != model_sha256:
        raise ArtifactError(
            "These thresholds were fitted to other weights.",
            where=folder,
            found=header.made_from.get("model"),
            expected=model_sha256,
        )
    return read_values(folder / _FILE, Fitted)


def _kept(kept: np.ndarray, right: np.ndarray, weights: Sequence[np.ndarray]) -> dict[str, Any]:
    """Coverage and risk of the rows that are kept; no risk where none is."""
    coverage = interval_of(lambda w: float(w @ kept / w.sum()), weights).to_dict()
    if not kept.any():
        return {"coverage": coverage, "risk": refused(0, "no test row is so sure")}
    risk = interval_of(partial(_share, kept & ~right, kept), weights)
    return {"coverage": coverage, "risk": risk.to_dict()}


def _sets(
    test: Answers, calib: Answers, fitted: Fitted, weights: Sequence[np.ndarray]
) -> dict[str, Any]:
    sets = class_sets(test.p, [fitted.classes[name] for name in CLASSES])
    held, size = sets[np.arange(len(test)), test.labels], sets.sum(axis=1)
    classes: dict[str, Any] = {}
    for label, name in enumerate(CLASSES):
        mine, fitted_on = test.labels == label, int((calib.labels == label).sum())
        if fitted.classes[name] is None:
            reason = f"too few calib rows for a miss of {fitted.miss:g}: always in the set"
            classes[name] = refused(fitted_on, reason)
        elif not mine.any():
            classes[name] = refused(0, "no test row of this class")
        else:
            covered = interval_of(partial(_share, held & mine, mine), weights)
            classes[name] = {"n": int(mine.sum()), "holds_label": covered.to_dict()}
    return {
        "miss": fitted.miss,
        "holds_label": interval_of(lambda w: float(w @ held / w.sum()), weights).to_dict(),
        "mean_size": interval_of(lambda w: float(w @ size / w.sum()), weights).to_dict(),
        "single": interval_of(lambda w: float(w @ (size == 1) / w.sum()), weights).to_dict(),
        "classes": classes,
    }


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ part / (weights @ whole)) if weights @ whole else float("nan")


def _points(
    sure: np.ndarray, right: np.ndarray, weights: Sequence[np.ndarray]
) -> list[dict[str, float]]:
    """The curve at evenly spaced coverages, with the interval of the risk there."""
    at = np.linspace(1 / _POINTS, 1, _POINTS)

    def risks(w: np.ndarray | None) -> np.ndarray:
        curve = risk_coverage(sure, right, w)
        places = np.searchsorted(curve.coverage, at - 1e-12)
        return np.asarray(curve.risk[np.minimum(places, len(curve.risk) - 1)])

    low, high = np.quantile([risks(w) for w in weights], [0.025, 0.975], axis=0)
    return [
        {"coverage": round(c, 4), "risk": round(r, 6), "low": round(lo, 6), "high": round(hi, 6)}
        for c, r, lo, hi in zip(*(v.tolist() for v in (at, risks(None), low, high)), strict=True)
    ]
