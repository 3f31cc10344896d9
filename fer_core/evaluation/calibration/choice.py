"""Choosing the method of calibration on calib rows, by the NLL of rows that it was not fitted on.

The choice is the simplest method whose cross-validated NLL is within one standard error of the best
one's (Breiman et al. 1984). The standard error is that of the difference between the two, row by
row and clustered by group: the error of an NLL itself is mostly the rows' own difficulty, which is
the same for all methods and would hide every gain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.evaluation.calibration.calibration import Undetermined
from fer_core.evaluation.calibration.calibrators import Calibrator, Temperature, rounded
from fer_core.evaluation.calibration.fits import fit_calibrator
from fer_core.evaluation.metrics.metrics import log_softmax
from fer_core.evaluation.metrics.options import METHODS, CalibrationOptions, Method

__all__ = [
    "CalibRows",
    "CalibrationChoice",
    "FittedMethod",
    "choose_calibrator",
    "simplest_within_one_error",
]


@dataclass(frozen=True)
class CalibRows:
    """The rows that everything is fitted on.

    Attributes:
        logits: [N, 7].
        labels: [N].
        sample_ids, sources, groups: of each row.
    """

    logits: np.ndarray
    labels: np.ndarray
    sample_ids: Sequence[str]
    sources: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True)
class FittedMethod:
    """A method as fitted on all calib rows, and what cross-validation says of it; NLL in nats a
    row.

    Attributes:
        calibrator: its parameters, to six significant digits.
        nll: of the rows that it was fitted on.
        cv_nll: of rows that it was not fitted on; None where it could not be fitted without a fold.
        cv_nll_se: its standard error.
        cv_excess: cv_nll minus that of the best method; 0 for the best.
        cv_excess_se: its standard error.
    """

    calibrator: Calibrator
    nll: float
    cv_nll: float | None
    cv_nll_se: float | None
    cv_excess: float | None
    cv_excess_se: float | None


@dataclass(frozen=True)
class CalibrationChoice:
    """What was fitted and what was chosen.

    Attributes:
        chosen: the simplest method within one standard error of the best.
        folds: of the cross-validation.
        methods: of each method that could be fitted; temperature always.
        refused: why each other method, or the temperature's cross-validation, could not be.
    """

    chosen: Method
    folds: int
    methods: dict[Method, FittedMethod]
    refused: dict[Method, str]


def choose_calibrator(rows: CalibRows, options: CalibrationOptions) -> CalibrationChoice:
    """Fit every method on all rows, cross-validate it, and choose.

    A method without an optimum on all rows, or without one of the folds, is refused; temperature
    is then 1, or chosen without a cross-validation. Few groups of rows make few folds.

    Raises:
        ArtifactError: all rows are of one group, or the same faults as `outcome_of`.
    """
    labels, sources = np.asarray(rows.labels).astype(np.int64), np.asarray(rows.sources)
    folds = max(2, min(options.folds, len(set(rows.groups))))
    fold = stratified_group_folds(rows.sample_ids, labels, rows.groups, folds)
    fitted: dict[Method, Calibrator] = {}
    unseen: dict[Method, np.ndarray] = {}
    refused: dict[Method, str] = {}
    for method in (name for name in METHODS if name in options.methods):
        try:
            fitted[method] = rounded(fit_calibrator(method, rows.logits, labels, sources))
            unseen[method] = _unseen_nll(method, rows.logits, labels, sources, fold)
        except Undetermined as error:
            if method == "temperature":
                fitted.setdefault(method, Temperature(1.0))
            refused[method] = f"{error.problem} Found: {error.found}."
    best = min(unseen, key=lambda method: unseen[method].mean(), default=None)
    clusters = np.unique(np.asarray(rows.groups), return_inverse=True)[1]
    methods = {}
    for method, calibrator in fitted.items():
        nll = float(_nll(calibrator.apply(rows.logits, rows.sources), labels).mean())
        if best is not None and method in unseen:
            scores = (
                *_mean_and_error(unseen[method], clusters),
                *_mean_and_error(unseen[method] - unseen[best], clusters),
            )
            methods[method] = FittedMethod(
                calibrator, round(nll, 6), *(round(score, 6) for score in scores)
            )
        elif method == "temperature":
            methods[method] = FittedMethod(calibrator, round(nll, 6), None, None, None, None)
    return CalibrationChoice(simplest_within_one_error(methods), folds, methods, refused)


def simplest_within_one_error(methods: Mapping[Method, FittedMethod]) -> Method:
    """The first method of `METHODS` whose cv_excess is at most its standard error; temperature
    where none was cross-validated.
    """
    for method in METHODS:
        fitted = methods.get(method)
        if (
            fitted
            and fitted.cv_excess is not None
            and fitted.cv_excess_se is not None
            and fitted.cv_excess <= fitted.cv_excess_se
        ):
            return method
    return "temperature"


def _unseen_nll(
    method: Method, logits: np.ndarray, labels: np.ndarray, sources: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """NLL [N] of every row under the method fitted without the row's fold."""
    nll = np.empty(len(labels))
    for k in range(int(fold.max()) + 1):
        held = fold == k
        try:
            calibrator = fit_calibrator(method, logits[~held], labels[~held], sources[~held])
        except Undetermined as error:
            raise Undetermined(
                f"Without fold {k}: {error.problem}", where=method, found=error.found
            ) from error
        nll[held] = _nll(calibrator.apply(logits[held], sources[held].tolist()), labels[held])
    return nll


def _nll(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -log_softmax(logits)[np.arange(len(labels)), labels]


def _mean_and_error(values: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Mean over rows and its standard error, the rows of a cluster taken as one draw."""
    sums = np.bincount(clusters, weights=values - values.mean())
    count = len(sums)
    return float(values.mean()), float(np.sqrt(count / (count - 1) * (sums**2).sum())) / len(values)
