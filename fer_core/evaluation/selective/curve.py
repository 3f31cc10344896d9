"""Risk and coverage: how wrong the answers are that a model keeps if it drops the least sure ones.

Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017. Equal
confidences are kept or dropped together, so row order plays no part.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "aurc", "coverage_at", "risk_coverage", "threshold_for"]


@dataclass(frozen=True)
class Curve:
    """What is kept at each threshold, from the surest faces on.

    Attributes:
        threshold: float64 [K], falling: the distinct confidences.
        coverage: float64 [K], share of rows that are at least as sure.
        risk: float64 [K], share of wrong ones among these.
        kept: float64 [K], rows (or weights) at least as sure.
    """

    threshold: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray
    kept: np.ndarray


def risk_coverage(
    confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None
) -> Curve:
    """The curve of N rows, each taken as many times as its weight says."""
    weights = np.ones(len(confidence)) if weights is None else weights.astype(np.float64)
    confidence, right, weights = (part[weights > 0] for part in (confidence, right, weights))
    values, number = np.unique(-confidence, return_inverse=True)
    kept = np.cumsum(np.bincount(number, weights=weights))
    wrong = np.cumsum(np.bincount(number, weights=weights * (1 - right.astype(np.float64))))
    return Curve(-values, kept / kept[-1], wrong / kept, kept)


def aurc(curve: Curve) -> float:
    """Area under the curve: the mean, over rows, of the risk among rows at least as sure."""
    return float(np.diff(curve.coverage, prepend=0.0) @ curve.risk)


def coverage_at(curve: Curve, risk: float) -> float:
    """Greatest coverage whose risk is no greater; 0 where there is none."""
    return float(curve.coverage[curve.risk <= risk + 1e-12].max(initial=0.0))


def threshold_for(confidence: np.ndarray, right: np.ndarray, risk: float) -> float | None:
    """The lowest threshold on rows it is fitted on at which (wrong + 1) / (kept + 1) is no greater
    than the risk; one more wrong answer is counted, so that few rows promise little.

    Returns:
        None where no threshold promises it.
    """
    curve = risk_coverage(confidence, right)
    promised = (curve.risk * curve.kept + 1) / (curve.kept + 1) <= risk + 1e-12
    return float(curve.threshold[promised].min()) if promised.any() else None
