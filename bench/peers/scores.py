"""Answers of networks to sets of faces, and the scores of these answers with their intervals."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fer_core.base.errors import DataError
from fer_core.base.files import new_file
from fer_core.base.logs import progress_off
from fer_core.evaluation.metrics.bootstrap import (
    Interval,
    percentile_interval,
    shifted_interval,
    stratified_weights,
)
from fer_core.evaluation.metrics.metrics import (
    Outcome,
    confusion_of,
    measure,
    outcome_of,
)
from fer_core.export.latency.subjects import Network

__all__ = ["DRAWN", "Scores", "answers_of", "kept", "scores_of"]

DRAWN = ("accuracy", "macro_f1", "ece")
_BATCH = 64
_BINS, _RESAMPLES, _SEED = 15, 1000, 1337


def answers_of(network: Network, images: Iterable[np.ndarray | None], name: str) -> np.ndarray:
    """Logits or log-probabilities, float64 [N, 7]; of ours the calibrated ones. Those of a picture
    without a face are nan.
    """
    parts, given = [], iter(images)
    bar = tqdm(desc=name[:30], unit="face", leave=False, disable=progress_off())
    while batch := list(islice(given, _BATCH)):
        there = [image for image in batch if image is not None]
        part = np.full((len(batch), 7), np.nan)
        if there:
            found: Any = network.run(network.prepare(there))
            part[[image is not None for image in batch]] = (
                found
                if isinstance(found, np.ndarray)
                else np.log(np.maximum(found.probabilities, 1e-12))
            )
        parts.append(part)
        bar.update(len(batch))
    return np.concatenate(parts)


def kept(folder: Path | None, made_from: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What was made from this before and kept in a folder, or else is made now and kept."""
    if folder is None:
        return make()
    path = folder / f"{sha256(made_from.encode()).hexdigest()[:32]}.npy"
    if not path.is_file():
        made = make()
        folder.mkdir(parents=True, exist_ok=True)
        with new_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, made)
    return np.load(path)


@dataclass(frozen=True)
class Scores:
    """Of one network on one test, which may be the mean of several parts of the same faces.

    Attributes:
        faces: how many.
        found: share of the pictures in which a face was found; all others count as wrong answers,
            and ECE and NLL are of the found ones.
        values: accuracy, macro_f1, ece and nll.
        drawn: float64 [P, R, 3], accuracy, macro-F1 and ECE of each part and resample, the same of
            every network.
        parts: accuracy of each part.
    """

    faces: int
    found: float
    values: dict[str, float]
    drawn: np.ndarray
    parts: list[float]

    def interval(self, name: str) -> Interval:
        """Of accuracy, macro-F1 or ECE, 95 %."""
        return _interval(self.values[name], self.drawn.mean(axis=0), name).from_zero

    def less(self, other: "Scores", name: str) -> Interval:
        """What this network has more than another of the same test, with its paired interval."""
        drawn = (self.drawn - other.drawn).mean(axis=0)
        return _interval(self.values[name] - other.values[name], drawn, name)

    def accuracy_of(self, parts: Sequence[int]) -> Interval:
        """Mean accuracy of these parts."""
        value = float(np.mean([self.parts[part] for part in parts]))
        return _interval(value, self.drawn[list(parts)].mean(axis=0), "accuracy")


def _interval(value: float, drawn: np.ndarray, name: str) -> Interval:
    """A value with the interval of its resamples [R, 3]."""
    of_kind = shifted_interval if name == "ece" else percentile_interval
    return of_kind(value, drawn[:, DRAWN.index(name)])


def scores_of(parts: Sequence[np.ndarray], labels: np.ndarray, clusters: np.ndarray) -> Scores:
    """Scores of answers [N, 7] to each part of a test, means over parts.

    Args:
        parts: of `answers_of`.
        labels: int [N].
        clusters: int [N], what resamples take whole.

    Raises:
        DataError: no picture has a face.
    """
    there = [np.isfinite(part).all(axis=1) for part in parts]
    if not all(found.any() for found in there):
        raise DataError(
            "No face was found in any of the pictures.", found=f"{len(labels)} pictures"
        )
    outcomes = [
        outcome_of(part[found], labels[found], _BINS)
        for part, found in zip(parts, there, strict=True)
    ]
    alone = np.ones_like(labels)
    each = [
        measure(outcome, names=("nll",))
        | dict(zip(DRAWN, _counted(outcome, found, labels, alone), strict=True))
        for outcome, found in zip(outcomes, there, strict=True)
    ]
    resamples = list(stratified_weights(labels, _RESAMPLES, _SEED, clusters))
    drawn = [
        [_counted(outcome, found, labels, weights) for weights in resamples]
        for outcome, found in zip(outcomes, there, strict=True)
    ]
    return Scores(
        len(labels),
        float(np.mean(there)),
        {name: float(np.mean([values[name] for values in each])) for name in each[0]},
        np.array(drawn),
        [values["accuracy"] for values in each],
    )


def _counted(
    outcome: Outcome, found: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float]:
    """Accuracy and macro-F1 of weighted rows, of which those without a face are missed by their
    class, and no answer of another; and the ECE of the others.
    """
    confusion = confusion_of(outcome.cell, weights[found].astype(np.float64))
    missed = np.bincount(labels[~found], weights[~found], minlength=len(confusion))
    hits = np.diagonal(confusion)
    both = confusion.sum(axis=0) + confusion.sum(axis=1) + missed
    f1 = np.divide(2 * hits, both, out=np.zeros(len(hits)), where=both > 0)
    ece = measure(outcome, weights[found], ("ece",))["ece"]
    return float(hits.sum() / weights.sum()), float(f1.mean()), ece
