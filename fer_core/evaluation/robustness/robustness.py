"""The exported student on corrupted test faces: how fast it gets worse, and whether it knows."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from tqdm import tqdm

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.base.params import Section, each_once
from fer_core.evaluation.metrics.bootstrap import (
    confidence_intervals,
    interval_of,
    shifted_interval,
    stratified_weights,
)
from fer_core.evaluation.metrics.deployed import refused
from fer_core.evaluation.metrics.metrics import Outcome, measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.robustness.corruptions import (
    CORRUPTIONS,
    STRENGTHS,
    Corruption,
    corrupt,
    shows_nothing,
)
from fer_core.pixels.parallel import ordered_map

__all__ = ["Faces", "RobustnessOptions", "choose_rows", "measure_robustness"]

_NAMES = ("accuracy", "macro_f1", "ece")
_DIGITS = 4
"""Of all figures. onnxruntime chooses its code by processor, so answers differ in their last bits:
of some 650 figures of six digits one did between two processors.
"""
_LEAST = 0.5
"""Share of the faces that must still show something for a corruption to have numbers."""


class RobustnessOptions(Section):
    """What the student is tried on.

    Attributes:
        rows: test faces, drawn by class in their shares; all of them where there are fewer.
        corruptions: which.
        strengths: which of 1 to 5.
    """

    rows: Annotated[int, Field(ge=14)] = 400
    corruptions: Annotated[tuple[Corruption, ...], Field(min_length=1), each_once()] = CORRUPTIONS
    strengths: Annotated[
        tuple[Annotated[int, Field(ge=1, le=5)], ...], Field(min_length=1), each_once()
    ] = STRENGTHS


@dataclass(frozen=True)
class Faces:
    """Decoded faces to corrupt.

    Attributes:
        images: RGB, uint8 [H, W, 3] each.
        sample_ids: of the faces.
        labels: int64 [N].
        clusters: int64 [N], equal numbers for faces of one picture or group.
    """

    images: Sequence[np.ndarray]
    sample_ids: Sequence[str]
    labels: np.ndarray
    clusters: np.ndarray

    def corrupted(self, corruption: Corruption, strength: int, seed: int) -> list[np.ndarray]:
        """All faces, in order."""
        made = ordered_map(
            lambda i: corrupt(self.images[i], corruption, strength, seed, self.sample_ids[i]),
            range(len(self.images)),
            chunk=32,
            cost=lambda i: int(self.images[i].nbytes),
        )
        return list(made)


def choose_rows(sample_ids: Sequence[str], labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Numbers of `count` rows, in rising order: of each class its share, at least one. The choice
    depends on seed and sample_ids, not on the order of rows.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    rank = np.array([hashlib.sha256(f"{seed} {i}".encode()).hexdigest() for i in sample_ids])
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * count / len(labels)
    quota = np.maximum(np.floor(exact).astype(int), 1)
    for place in np.argsort(np.floor(exact) - exact, kind="stable")[: max(0, count - quota.sum())]:
        quota[place] += 1
    chosen = [
        mine[np.argsort(rank[mine], kind="stable")[:n]]
        for label, n in zip(classes, quota.tolist(), strict=True)
        for mine in [np.flatnonzero(labels == label)]
    ]
    return np.sort(np.concatenate(chosen))


def measure_robustness(
    faces: Faces,
    calibrated_of: Callable[[list[np.ndarray]], np.ndarray],
    options: RobustnessOptions,
    evaluation: EvaluationOptions,
    seed: int,
) -> dict[str, Any]:
    """Every corruption at every strength.

    Args:
        faces: to corrupt.
        calibrated_of: the exported file: RGB faces to calibrated logits [n, 7], whose softmax are
            its probabilities.
        options: section `trust.robustness`.
        evaluation: section `evaluation`.
        seed: of the corruptions and of the bootstrap.

    Returns:
        Plain values for JSON: clean, mce (mean error over corruptions and strengths), mce_excess
        (less the error on clean faces), mce_by_corruption, ece_mean, corruptions. A corruption that
        leaves too few faces to see has a reason in the place of numbers; classes that nobody shows
        are named under `without`, and their F1 counts as 0.
    """

    def cell(images: list[np.ndarray]) -> tuple[dict[str, Any], _Answered | None]:
        seen = np.array([not shows_nothing(image) for image in images])
        if seen.mean() < _LEAST:
            reason = "so many faces cannot be seen in what is left of the picture"
            return dict(refused(int((~seen).sum()), reason)), None
        logits = calibrated_of([image for image, shown in zip(images, seen, strict=True) if shown])
        outcome = outcome_of(logits, faces.labels[seen], evaluation.bins)
        found = confidence_intervals(
            outcome, evaluation.bootstrap, seed, _NAMES, faces.clusters[seen]
        )
        values: dict[str, Any] = {name: found[name].to_dict() for name in _NAMES}
        if absent := [CLASSES[c] for c in range(N_CLASSES) if not (outcome.labels == c).any()]:
            values["without"] = ", ".join(absent)
        if not seen.all():
            values["unseen"] = refused(int((~seen).sum()), "no face to be seen: left out")
        return values, _Answered(outcome, seen)

    clean, answered_clean = cell(list(faces.images))
    corruptions: dict[str, dict[str, Any]] = {}
    answered: dict[str, list[_Answered]] = {}
    pairs = [(name, strength) for name in options.corruptions for strength in options.strengths]
    for name, strength in tqdm(pairs, desc="robustness", leave=False, disable=progress_off()):
        values, found = cell(faces.corrupted(name, strength, seed))
        corruptions.setdefault(name, {})[str(strength)] = values
        if found is not None:
            answered.setdefault(name, []).append(found)
    if answered_clean is None or not answered:
        few = {"rows": len(faces.images), "clean": clean, "corruptions": corruptions}
        return dict(_rounded(few))
    weights = list(stratified_weights(faces.labels, evaluation.bootstrap, seed, faces.clusters))
    by_name = {
        name: _mean(np.stack([one.wrong for one in cells])) for name, cells in answered.items()
    }
    every = _mean(np.stack(list(by_name.values())))

    def mean(values: np.ndarray) -> dict[str, float]:
        there = np.isfinite(values)
        filled = np.where(there, values, 0.0)
        return interval_of(lambda w: float(w @ filled / (w @ there)), weights).to_dict()

    whole = {
        "rows": len(faces.images),
        "clusters": len(np.unique(faces.clusters)),
        "clean": clean,
        "mce": mean(every),
        "mce_excess": mean(every - answered_clean.wrong),
        "mce_by_corruption": {name: mean(values) for name, values in by_name.items()},
        "ece_mean": _mean_ece([one for cells in answered.values() for one in cells], weights),
        "corruptions": corruptions,
    }
    return dict(_rounded(whole))


@dataclass(frozen=True)
class _Answered:
    """What the network says of the faces that can be seen.

    Attributes:
        outcome: of these.
        seen: bool [N], which of all faces they are.
    """

    outcome: Outcome
    seen: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        """float64 [N], 1 where the answer is wrong; nan where no face can be seen."""
        wrong = np.full(len(self.seen), np.nan)
        wrong[self.seen] = self.outcome.predictions != self.outcome.labels
        return wrong

    def ece(self, weights: np.ndarray) -> float:
        """Of weighted faces."""
        return measure(self.outcome, weights[self.seen], ("ece",))["ece"]


def _mean_ece(cells: Sequence[_Answered], weights: Sequence[np.ndarray]) -> dict[str, float]:
    """Mean ECE of cells with its interval."""
    value = float(np.mean([one.ece(np.ones_like(weights[0])) for one in cells]))
    drawn = np.mean([[one.ece(some) for some in weights] for one in cells], axis=0)
    return shifted_interval(value, drawn).from_zero.to_dict()


def _rounded(values: Any) -> Any:
    """Plain values with their figures rounded, however deep."""
    if isinstance(values, dict):
        return {name: _rounded(value) for name, value in values.items()}
    return round(values, _DIGITS) if isinstance(values, float) else values


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is there; nan where nothing is."""
    there = np.isfinite(values).sum(axis=0)
    total = np.nansum(values, axis=0)
    return np.divide(total, there, out=np.full(total.shape, np.nan), where=there > 0)
