"""The deployed student's calibrated answers to a set of rows: what the stages start from that say
how far to trust it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_core.evaluation.metrics.bootstrap import stratified_weights
from fer_core.evaluation.metrics.metrics import Outcome, outcome_of, softmax
from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["Answers", "answers_of", "provenance", "refused"]


@dataclass(frozen=True)
class Answers:
    """Calibrated answers to N rows.

    Attributes:
        sample_ids: of the rows.
        labels: int64 [N].
        p: float64 [N, 7], as the exported file gives them.
        clusters: int64 [N], equal numbers for rows of one picture or group.
    """

    sample_ids: list[str]
    labels: np.ndarray
    p: np.ndarray
    clusters: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def said(self) -> np.ndarray:
        """Most probable class, int64 [N]."""
        return np.asarray(self.p.argmax(axis=1))

    @property
    def right(self) -> np.ndarray:
        """Whether the most probable class is the label, bool [N]."""
        return np.asarray(self.said == self.labels)

    @property
    def confidence(self) -> np.ndarray:
        """Greatest probability, float64 [N]."""
        return np.asarray(self.p.max(axis=1))

    def of(self, rows: np.ndarray) -> "Answers":
        """Those of some rows, by a mask or by numbers."""
        ids = np.array(self.sample_ids, dtype=object)[rows].tolist()
        return Answers(ids, self.labels[rows], self.p[rows], self.clusters[rows])

    @property
    def log_p(self) -> np.ndarray:
        """Logarithms of the probabilities, finite, float64 [N, 7]."""
        return np.asarray(np.log(np.maximum(self.p, np.finfo(np.float64).tiny)))

    def outcome(self, bins: int) -> Outcome:
        """What metrics are made of (`outcome_of`)."""
        return outcome_of(self.log_p, self.labels, bins)

    def weights(self, resamples: int, seed: int) -> list[np.ndarray]:
        """Resamples of whole clusters (`stratified_weights`)."""
        return list(stratified_weights(self.labels, resamples, seed, self.clusters))


def answers_of(
    evaluation: Evaluation, name: str, calibrated: Callable[[np.ndarray], np.ndarray]
) -> Answers:
    """The answers to val, calib or a named test set.

    Args:
        evaluation: of the student.
        name: of the set.
        calibrated: what the exported file makes of logits [N, 7] before softmax
            (`Calibration.file_logits`).
    """
    logits, labels = next(
        (logits, labels) for found, logits, labels in evaluation.each_set() if found == name
    )
    return Answers(
        evaluation.sample_ids(name),
        labels.astype(np.int64),
        softmax(calibrated(logits)),
        evaluation.clusters(name),
    )


def provenance(evaluation: Evaluation, name: str) -> dict[str, Any]:
    """What a record is of: model, set and hashes. They tell the report that it is of one run."""
    return {
        "model": evaluation.key,
        "set": name,
        "model_sha256": evaluation.test.model_sha256,
        "rows_sha256": evaluation.test.rows_sha256,
    }


def refused(n: int, reason: str) -> Mapping[str, Any]:
    """What is given in the place of a number that cannot be: of how many rows, and why."""
    return {"n": n, "reason": reason}
