"""Temperature scaling (Guo et al. 2017) and what is needed to judge calibration.

The mean NLL of logits / T is convex in 1 / T, so it has one minimum in log T and a bounded scalar
search finds it. The bounds are so wide that an optimum at one of them means that none exists: the
rows are all classified right (T → 0) or the logits know nothing (T → ∞). That is a finding about
few rows, not a failure: such a network keeps T = 1 and says so.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.metrics import log_softmax, outcome_of, softmax, width_bins

__all__ = [
    "LOG_BOUNDS",
    "TemperatureFit",
    "Undetermined",
    "calibration_floor",
    "debiased",
    "fit_temperature",
    "interior_temperature",
    "reliability_table",
    "settled_temperature",
    "short",
    "short_temperature",
]

log = logging.getLogger(__name__)

LOG_BOUNDS = (-5.0, 5.0)
"""Of log T, for logits of ordinary size; those of another size are searched around their own."""
_ORDINARY = 16.0
_SIMULATIONS = 200


class Undetermined(ArtifactError):
    """The rows do not determine a calibration: no finite parameters are best on them."""


@dataclass(frozen=True)
class TemperatureFit:
    """The temperature of least NLL on n rows.

    Attributes:
        temperature: T; probabilities are softmax(logits / T).
        n: rows it was fitted on.
        nll_before, nll_after: mean NLL of those rows at 1 and at T.
        at_bound: the search ended at a bound: there is no optimum, and the temperature must not be
            used.
    """

    temperature: float
    n: int
    nll_before: float
    nll_after: float
    at_bound: bool


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> TemperatureFit:
    """Search T for the least mean NLL of logits [N, 7] against labels [N].

    Raises:
        ArtifactError: the same faults as `outcome_of`.
    """
    outcome_of(logits, labels, bins=1)
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(labels).astype(np.int64)
    rows, size = np.arange(len(y)), _size(z)
    z = z / size

    def nll(log_t: float) -> float:
        return float(-log_softmax(z, float(np.exp(log_t)))[rows, y].mean())

    found = minimize_scalar(
        nll, bounds=LOG_BOUNDS, method="bounded", options={"xatol": 1e-7, "maxiter": 200}
    )
    at_bound = (
        min(map(nll, LOG_BOUNDS)) <= found.fun
    )  # also where the NLL is 0 long before the bound
    before = nll(-float(np.log(size)))
    return TemperatureFit(
        float(np.exp(found.x)) * size, len(y), before, float(found.fun), bool(at_bound)
    )


def _size(logits: np.ndarray) -> float:
    """1 for logits of ordinary size, else a power of two near the median lead of a row's greatest
    logit.
    """
    second, first = np.partition(logits, -2, axis=1)[:, -2:].T
    lead = float(np.median(first - second))
    if lead == 0 or 1 / _ORDINARY <= lead <= _ORDINARY:
        return 1.0
    return float(2.0 ** np.round(np.log2(lead)))


def settled_temperature(
    logits: np.ndarray, labels: np.ndarray, where: object
) -> tuple[TemperatureFit, str | None]:
    """`fit_temperature`, and T = 1 where the rows determine none.

    Returns:
        The fit, and why no temperature is determined, or None.
    """
    try:
        return interior_temperature(logits, labels, where), None
    except Undetermined as error:
        fit = fit_temperature(logits, labels)
        why = f"not determined, T = 1 is used: {error.found}"
        log.warning("%s: temperature %s", where, why)
        return replace(fit, temperature=1.0, nll_after=fit.nll_before), why


def interior_temperature(logits: np.ndarray, labels: np.ndarray, where: object) -> TemperatureFit:
    """`fit_temperature`, refused where there is no optimum.

    Raises:
        Undetermined: the optimum is at a bound; says which, what it means and of which model
            (`where`).
    """
    fit = fit_temperature(logits, labels)
    if not fit.at_bound:
        return fit
    wrong = int((np.asarray(logits).argmax(axis=1) != np.asarray(labels)).sum())
    raise Undetermined(
        "No temperature calibrates this model: the search ended at its bound.",
        where=where,
        found=f"T = {fit.temperature:.4g}; {wrong} of {fit.n} calibration rows are classified "
        "wrong",
        expected=f"an optimum inside {np.exp(LOG_BOUNDS[0]):.4f} … {np.exp(LOG_BOUNDS[1]):.1f}",
        remedy="more or harder calib rows (manifest.calib_fraction)"
        if fit.temperature < 1
        else "train this model longer: its logits carry no information",
    )


def short(value: float) -> float:
    """Six significant digits: what is written is what was measured with, on every machine."""
    return float(f"{value:.6g}")


def short_temperature(logits: np.ndarray, labels: np.ndarray, where: object) -> float:
    """The temperature of `settled_temperature` to six significant digits."""
    return short(settled_temperature(logits, labels, where)[0].temperature)


def calibration_floor(logits: np.ndarray, bins: int, seed: int) -> dict[str, dict[str, float]]:
    """What a perfectly calibrated model with these probabilities would still show on so few rows.

    Each simulation draws every row's label from the row's own probabilities, softmax(logits), and
    measures the gaps as `metrics` does.

    Returns:
        ece, ece_equal_mass and classwise_ece, of each the mean and p95 (95th percentile) over the
            simulations.
    """
    p = softmax(logits)
    count, classes = p.shape
    confidence, predictions, upper = p.max(axis=1), p.argmax(axis=1), p.cumsum(axis=1)[:, :-1].T
    width_bin = width_bins(confidence, bins)
    mass_bin = np.searchsorted(np.sort(confidence), confidence) * bins // count
    class_bin = np.arange(classes) * bins + width_bins(p, bins)
    expected = np.bincount(class_bin.ravel(), weights=p.ravel(), minlength=classes * bins)
    rng = np.random.default_rng(seed)
    simulated = np.empty((_SIMULATIONS, 3))
    for i in range(_SIMULATIONS):
        labels = (rng.random(count) > upper).sum(axis=0, dtype=np.int8)
        surplus = (labels == predictions) - confidence
        drawn = np.bincount(class_bin[np.arange(count), labels], minlength=classes * bins)
        simulated[i] = (
            np.abs(np.bincount(width_bin, weights=surplus, minlength=bins)).sum(),
            np.abs(np.bincount(mass_bin, weights=surplus, minlength=bins)).sum(),
            np.abs(drawn - expected).sum() / classes,
        )
    simulated /= count
    return {
        name: {
            "mean": round(float(found.mean()), 6),
            "p95": round(float(np.quantile(found, 0.95)), 6),
        }
        for name, found in zip(("ece", "ece_equal_mass", "classwise_ece"), simulated.T, strict=True)
    }


def debiased(ece: Mapping[str, float], floor: float) -> dict[str, float]:
    """ECE and its interval with the floor of a perfectly calibrated model subtracted; about 0, and
    as often below as above, for such a model.
    """
    return {name: round(value - floor, 6) for name, value in ece.items()}


def reliability_table(
    logits: np.ndarray, labels: np.ndarray, bins: int, temperature: float = 1.0
) -> pd.DataFrame:
    """Points of a reliability diagram.

    Returns:
        One row for each of the `bins` equal-width bins: bin, confidence and accuracy (means; empty
            where the bin is), count.
    """
    outcome = outcome_of(logits, labels, bins, temperature)
    correct = (outcome.predictions == outcome.labels).astype(np.float64)
    count = np.bincount(outcome.width_bin, minlength=bins)
    some = count > 0

    def mean_of(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(outcome.width_bin, weights=values, minlength=bins)
        return np.divide(sums, count, out=np.full(bins, np.nan), where=some).round(6)

    return pd.DataFrame(
        {
            "bin": np.arange(bins),
            "confidence": mean_of(correct - outcome.surplus),
            "accuracy": mean_of(correct),
            "count": count,
        }
    )
