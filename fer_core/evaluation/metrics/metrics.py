"""Metrics of a set of logits against labels, all from the same few facts about each row.

`Outcome` keeps what every metric needs of a row; `measure` turns it, with a weight for each row,
into numbers. A bootstrap resample is nothing but such weights, so point values and confidence
intervals come from one piece of code.

Classes without rows: macro-F1 is the mean over the seven classes, and a class without rows counts
as 0 (scikit-learn's `f1_score(labels=range(7), average="macro", zero_division=0)`), so its value on
such a set is bounded by present / 7. Classes that are declared absent (section `labels`) are left
out. The mean over the classes that have rows (`macro_f1_present`) is 1 for a perfect predictor on
any set. Minority-F1 is the mean of the three lowest F1 among the classes that have rows, too;
trio-F1 that of Disgust, Fear and Sad, whichever of them have rows (0 where none has).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fer_core.base.absent import present_classes
from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES, INDEX, N_CLASSES

__all__ = [
    "METRICS",
    "Outcome",
    "all_metrics",
    "class_details",
    "confusion_of",
    "f1_scores",
    "log_softmax",
    "macro_f1_present",
    "measure",
    "minority_f1",
    "outcome_of",
    "softmax",
    "trio_f1",
    "width_bins",
]

_OF_CONFUSION = ("accuracy", "macro_f1", "macro_f1_present", "minority_f1", "trio_f1")
METRICS = (*_OF_CONFUSION, "nll", "brier", "ece", "ece_equal_mass", "classwise_ece")
_MINORITY = 3
_TRIO = [INDEX[name] for name in ("Disgust", "Fear", "Sad")]


def log_softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Log-probabilities over the last axis of logits / temperature, float64, without overflow."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities over the last axis of logits / temperature, float64."""
    return np.exp(log_softmax(logits, temperature))


def width_bins(p: np.ndarray, bins: int) -> np.ndarray:
    """Equal-width bin of each probability, int64 in p's shape: b of B holds [b/B, (b + 1)/B), the
    last one 1 too.
    """
    return np.minimum((p * bins).astype(np.int64), bins - 1)


@dataclass(frozen=True)
class Outcome:
    """What the metrics need of each of N rows.

    Attributes:
        cell: int64 [N], 7 × label + prediction: the row's cell of the confusion matrix.
        nll: float64 [N], −log p of the label.
        brier: float64 [N], squared distance between the probabilities and the one-hot label (0 …
            2).
        surplus: float64 [N], (1 if correct else 0) − confidence, confidence being the greatest
            probability.
        width_bin: int64 [N], the row's equal-width bin of confidence.
        class_surplus: float64 [7 × bins, N], sparse: (1 if the label is class c else 0) − p_c of
            every row and class, in line c × bins + the equal-width bin of p_c.
        order: int64 [N], row numbers by rising confidence.
        first: int64 [N], for each place in that order the first place with the same confidence.
        bins: number of confidence bins.
    """

    cell: np.ndarray
    nll: np.ndarray
    brier: np.ndarray
    surplus: np.ndarray
    width_bin: np.ndarray
    class_surplus: csr_array
    order: np.ndarray
    first: np.ndarray
    bins: int

    @property
    def labels(self) -> np.ndarray:
        """int64 [N]."""
        return self.cell // N_CLASSES

    @property
    def predictions(self) -> np.ndarray:
        """int64 [N]."""
        return self.cell % N_CLASSES

    def __len__(self) -> int:
        return len(self.cell)


def outcome_of(
    logits: np.ndarray, labels: np.ndarray, bins: int, temperature: float = 1.0
) -> Outcome:
    """Reduce logits [N, 7] and labels [N] to what the metrics need.

    The prediction is the argmax of the logits (first of equals).

    Raises:
        ArtifactError: no row, shapes that do not fit, a label outside 0 … 6, or a logit that is not
            finite.
    """
    logits, labels = np.asarray(logits), np.asarray(labels).astype(np.int64)
    if labels.ndim != 1 or len(labels) == 0 or logits.shape != (len(labels), N_CLASSES):
        raise ArtifactError(
            "Metrics need one logit vector for each label.",
            found=f"logits {logits.shape}, labels {labels.shape}",
            expected="[N, 7]",
        )
    if labels.min() < 0 or labels.max() >= N_CLASSES:
        raise ArtifactError(
            "A label is not one of the seven classes.",
            found=sorted(set(labels.tolist()) - set(range(N_CLASSES))),
        )
    if not np.isfinite(logits).all():
        raise ArtifactError(
            "A logit is not finite.", found=f"{int((~np.isfinite(logits).all(axis=1)).sum())} rows"
        )
    log_p = log_softmax(logits, temperature)
    p = np.exp(log_p)
    rows = np.arange(len(labels))
    predictions = logits.argmax(axis=1)
    confidence = p.max(axis=1)
    order = np.argsort(confidence, kind="stable")
    ranked = confidence[order]
    starts = np.r_[True, ranked[1:] != ranked[:-1]]
    return Outcome(
        cell=N_CLASSES * labels + predictions,
        nll=-log_p[rows, labels],
        brier=(p**2).sum(axis=1) - 2 * p[rows, labels] + 1,
        surplus=(predictions == labels) - confidence,
        width_bin=width_bins(confidence, bins),
        class_surplus=_class_surplus(p, labels, bins),
        order=order,
        first=np.maximum.accumulate(np.where(starts, rows, 0)),
        bins=bins,
    )


def confusion_of(cell: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Confusion matrix [7, 7] (rows: label) of rows [N] in the cells 7 × label + prediction."""
    counts = np.bincount(cell, weights=weights, minlength=N_CLASSES**2)
    return counts.reshape(N_CLASSES, N_CLASSES)


def f1_scores(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class from a confusion matrix [7, 7] (rows: label); 0 where a class has neither
    rows nor predictions.
    """
    hits = np.diagonal(confusion)
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.divide(2.0 * hits, both, out=np.zeros(len(hits)), where=both > 0)


def macro_f1_present(confusion: np.ndarray) -> float:
    """Mean F1 of the classes that have rows."""
    return float(f1_scores(confusion)[confusion.sum(axis=1) > 0].mean())


def minority_f1(confusion: np.ndarray) -> float:
    """Mean of the three lowest F1 among the classes that have rows (of all of them where there are
    fewer).
    """
    present = confusion.sum(axis=1) > 0
    return float(np.sort(f1_scores(confusion)[present])[:_MINORITY].mean())


def trio_f1(confusion: np.ndarray) -> float:
    """Mean F1 of Disgust, Fear and Sad, the classes that the replaced system watched, as far as
    they have rows.
    """
    scores = f1_scores(confusion)[_TRIO][confusion.sum(axis=1)[_TRIO] > 0]
    return float(scores.mean()) if len(scores) else 0.0


def measure(
    outcome: Outcome, weights: np.ndarray | None = None, names: Collection[str] = METRICS
) -> dict[str, float]:
    """Metrics of the rows, each taken as many times as its weight says.

    Args:
        outcome: of N rows.
        weights: int64 [N], times that each row counts; None for once each.
        names: which of `METRICS` to compute.

    Returns:
        accuracy, macro_f1, macro_f1_present, minority_f1, trio_f1 (see the module), nll (mean −log
        p), brier (mean multiclass sum, Brier 1950), ece (equal-width bins, Guo et al. 2017),
        ece_equal_mass (the same gap of the top label over bins of equal mass, Nguyen & O'Connor
        2015: a row's bin is floor(bins × share of rows with lower confidence), so equal confidences
        share a bin and row order plays no part), classwise_ece (the static calibration error of
        Nixon et al. 2019, "Measuring Calibration in Deep Learning": the gap between the
        probabilities of a class and how often it is the label, in equal-width bins of that
        probability, mean over the seven classes, those that are declared absent left out).
    """
    if weights is None:
        weights = np.ones(len(outcome), dtype=np.int64)
    total, counts = int(weights.sum()), weights.astype(np.float64)
    values: dict[str, float] = {}
    if not set(_OF_CONFUSION).isdisjoint(names):
        confusion = confusion_of(outcome.cell, counts)
        values["accuracy"] = float(np.trace(confusion)) / total
        values["macro_f1"] = float(f1_scores(confusion)[present_classes()].mean())
        values["macro_f1_present"] = macro_f1_present(confusion)
        values["minority_f1"] = minority_f1(confusion)
        values["trio_f1"] = trio_f1(confusion)
    if "nll" in names:
        values["nll"] = float(counts @ outcome.nll) / total
    if "brier" in names:
        values["brier"] = float(counts @ outcome.brier) / total
    if "ece" in names:
        values["ece"] = _gap(outcome.width_bin, counts * outcome.surplus, outcome.bins) / total
    if "ece_equal_mass" in names:
        ranked = weights[outcome.order]
        lower = (np.cumsum(ranked) - ranked)[outcome.first]
        values["ece_equal_mass"] = (
            _gap(
                lower * outcome.bins // total, ranked * outcome.surplus[outcome.order], outcome.bins
            )
            / total
        )
    if "classwise_ece" in names:
        values["classwise_ece"] = float(np.abs(outcome.class_surplus @ counts).sum()) / (
            len(present_classes()) * total
        )
    return {name: values[name] for name in METRICS if name in names}


def all_metrics(
    logits: np.ndarray, labels: np.ndarray, bins: int, temperature: float = 1.0
) -> dict[str, Any]:
    """Every metric, F1 of each class (None for a class without rows) and the confusion matrix, as
    plain values for JSON.
    """
    outcome = outcome_of(logits, labels, bins, temperature)
    return {
        **{name: round(value, 6) for name, value in measure(outcome).items()},
        **class_details(outcome),
    }


def class_details(outcome: Outcome) -> dict[str, Any]:
    """F1 of each class (None for a class without rows) and the confusion matrix (rows: label), as
    plain values for JSON.
    """
    confusion = confusion_of(outcome.cell)
    present = confusion.sum(axis=1) > 0
    f1 = f1_scores(confusion)
    return {
        "per_class_f1": {
            name: round(float(f1[i]), 6) if present[i] else None for i, name in enumerate(CLASSES)
        },
        "confusion": confusion.tolist(),
    }


def _class_surplus(p: np.ndarray, labels: np.ndarray, bins: int) -> csr_array:
    lines = np.arange(N_CLASSES) * bins + width_bins(p, bins)
    surplus = np.eye(N_CLASSES)[labels] - p
    columns = np.repeat(np.arange(len(p)), N_CLASSES)
    return csr_array((surplus.ravel(), (lines.ravel(), columns)), shape=(N_CLASSES * bins, len(p)))


def _gap(bin_of_row: np.ndarray, surplus: np.ndarray, bins: int) -> float:
    """Sum over bins of |Σ (correct − confidence)|, which is Σ n_b |accuracy_b − confidence_b|."""
    return float(np.abs(np.bincount(bin_of_row, weights=surplus, minlength=bins)).sum())
