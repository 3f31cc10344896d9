"""Fitting calibrators: the parameters of least mean NLL on calib rows, without any regularisation.

The NLL of w × z + b is convex in the scales w and biases b, so scipy's trust-region method finds
the one optimum where there is one. There is none where the rows can be told apart perfectly in some
direction, as with a class that has no row, or one row that stands out: the parameters would run
away. Newton's step from wherever the search ended is then long however flat the NLL is, and that is
what is tested. Such a method is refused for these rows (`Undetermined`), not tamed by a penalty
that someone must tune.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import helmert
from scipy.optimize import minimize

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.evaluation.calibration.calibration import (
    Undetermined,
    fit_temperature,
    interior_temperature,
)
from fer_core.evaluation.calibration.calibrators import (
    BiasCorrected,
    Calibrator,
    PerSource,
    Temperature,
    Vector,
)
from fer_core.evaluation.metrics.metrics import log_softmax
from fer_core.evaluation.metrics.options import Method

__all__ = ["ENOUGH_ROWS", "affine_nll", "fit_calibrator"]

ENOUGH_ROWS = 100
"""Rows from which on a source has a temperature of its own: its standard error is then about a
tenth of it or less.
"""
_STEPS = 500
_SHORT_STEP = 1e-6
_FLAT = 1e-8
_SAME_SCALE = np.r_[np.ones(N_CLASSES), np.zeros(N_CLASSES)][:, None]
_SCALES = np.eye(2 * N_CLASSES)[:, :N_CLASSES]
_BIASES = np.vstack([np.zeros((N_CLASSES, N_CLASSES - 1)), helmert(N_CLASSES).T])


def fit_calibrator(
    method: Method, logits: np.ndarray, labels: np.ndarray, sources: Sequence[str] | np.ndarray
) -> Calibrator:
    """The calibrator of a method of least NLL on these rows.

    Args:
        method: which.
        logits: [N, 7].
        labels: [N].
        sources: of each of the N rows; only `per_source` reads them. A source with `ENOUGH_ROWS`
            rows that have an optimum gets a temperature of its own, every other one that of all
            rows.

    Raises:
        Undetermined: no finite positive scale or temperature is best, or `per_source` has no two
            sources or none with enough rows.
        ArtifactError: the same faults as `outcome_of`.
    """
    temperature = interior_temperature(logits, labels, where=method).temperature
    if method == "temperature":
        return Temperature(temperature)
    if method == "per_source":
        return PerSource(temperature, _own_temperatures(logits, labels, np.asarray(sources)))
    z, y = np.asarray(logits, dtype=np.float64) / temperature, np.asarray(labels).astype(np.int64)
    if method == "vector":
        found = _optimum(z, y, np.hstack([_SCALES, _BIASES]), method)
        return Vector(
            tuple((found[:N_CLASSES] / temperature).tolist()), tuple(found[N_CLASSES:].tolist())
        )
    if method != "bias_corrected":
        raise ValueError(f"no fit is known for the calibration method {method}")
    found = _optimum(z, y, np.hstack([_SAME_SCALE, _BIASES]), method)
    return BiasCorrected(temperature / float(found[0]), tuple(found[N_CLASSES:].tolist()))


def affine_nll(
    logits: np.ndarray, labels: np.ndarray, parameters: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean NLL of logits × scale + bias, with derivatives.

    Args:
        logits: float64 [N, 7].
        labels: int64 [N].
        parameters: float64 [14], the seven scales, then the seven biases.

    Returns:
        The NLL, its gradient [14] and its Hessian [14, 14].
    """
    count = len(labels)
    log_p = log_softmax(logits * parameters[:N_CLASSES] + parameters[N_CLASSES:])
    p = np.exp(log_p)
    pz = p * logits
    both = np.hstack([pz, p])
    hessian = -both.T @ both
    upper, lower = np.arange(N_CLASSES), np.arange(N_CLASSES) + N_CLASSES
    hessian[upper, upper] += (pz * logits).sum(axis=0)
    hessian[upper, lower] += pz.sum(axis=0)
    hessian[lower, upper] += pz.sum(axis=0)
    hessian[lower, lower] += p.sum(axis=0)
    surplus = p - np.eye(N_CLASSES)[labels]
    gradient = np.r_[(surplus * logits).sum(axis=0), surplus.sum(axis=0)]
    return float(-log_p[np.arange(count), labels].mean()), gradient / count, hessian / count


def _optimum(z: np.ndarray, y: np.ndarray, directions: np.ndarray, method: Method) -> np.ndarray:
    """Parameters [14] of least NLL that differ from scale 1 and bias 0 by a sum of the columns of
    directions [14, P].
    """

    def nll(free: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = affine_nll(z, y, _SAME_SCALE[:, 0] + directions @ free)
        return value, directions.T @ gradient, directions.T @ hessian @ directions

    found = minimize(
        lambda free: nll(free)[:2],
        np.zeros(directions.shape[1]),
        jac=True,
        hess=lambda free: nll(free)[2],
        method="trust-exact",
        options={"gtol": _FLAT, "maxiter": _STEPS},
    )
    _, gradient, hessian = nll(found.x)
    try:
        step = np.linalg.solve(hessian, gradient)
    except np.linalg.LinAlgError:
        step = np.full_like(gradient, np.inf)
    at = _SAME_SCALE[:, 0] + directions @ (found.x - step)
    if np.abs(step).max() < _SHORT_STEP and (at[:N_CLASSES] > 0).all():
        return at
    rows = np.bincount(y, minlength=N_CLASSES)
    raise Undetermined(
        "These rows do not determine this calibration: no finite positive scales and biases are "
        "best.",
        where=method,
        found=f"{len(y)} rows, of {CLASSES[rows.argmin()]} only {rows.min()}",
        expected="an optimum that Newton's method reaches",
        remedy="more calib rows of the rarest class (manifest.calib_fraction), or a method with "
        "fewer parameters",
    )


def _own_temperatures(
    logits: np.ndarray, labels: np.ndarray, sources: np.ndarray
) -> dict[str, float]:
    names, counts = np.unique(sources, return_counts=True)
    fits = {
        str(name): fit_temperature(logits[sources == name], labels[sources == name])
        for name in names[counts >= ENOUGH_ROWS]
    }
    temperatures = {name: fit.temperature for name, fit in fits.items() if not fit.at_bound}
    if len(names) < 2 or not temperatures:
        raise Undetermined(
            "Temperatures by source need several sources, and enough rows of one.",
            where="per_source",
            found=", ".join(
                f"{count} rows of {name}" for name, count in zip(names, counts, strict=True)
            ),
            expected=f"{ENOUGH_ROWS} calib rows of a source",
        )
    return temperatures
