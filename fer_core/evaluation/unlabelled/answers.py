"""The ensemble's answers for faces without labels, beside its soft labels of the train rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError, DataError
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.ensemble.teaching import Teaching
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.logits.store import LogitsSet
from fer_core.targets.softlabels import SoftLabels

__all__ = ["Answered", "answer"]


@dataclass(frozen=True)
class Answered:
    """Targets of N faces, in the order of their sample_ids.

    Attributes:
        sample_ids: of the N faces.
        logits: float16 [N, K + 1, 7], calibrated and fused at T = 1; column 0 is the evaluation
            view.
        of_teachers: tag -> the same of each teacher that takes part.
    """

    sample_ids: list[str]
    logits: np.ndarray
    of_teachers: dict[str, np.ndarray]

    @property
    def labels(self) -> np.ndarray:
        """The most probable class in the evaluation view, int8 [N]."""
        return self.logits[:, 0].argmax(axis=1).astype(np.int8)

    @property
    def confidence(self) -> np.ndarray:
        """Its probability, float [N]."""
        return np.asarray(softmax(self.logits[:, 0].astype(np.float64)).max(axis=1))

    def of(self, which: np.ndarray) -> "Answered":
        """Those of some faces, by number, in that order."""
        some = [self.sample_ids[number] for number in which]
        singly = {tag: values[which] for tag, values in self.of_teachers.items()}
        return Answered(some, self.logits[which], singly)

    def beside(self, soft: SoftLabels, labelled: Rows, rows: Rows) -> "Answered":
        """These and the soft labels of the train rows, in the order of the rows of both.

        Args:
            soft: of the train rows.
            labelled: the dev rows that they belong to.
            rows: with the train rows of both.

        Raises:
            ArtifactError: the train rows of `rows` are not those of both.
        """
        known = [labelled.sample_ids[number] for number in labelled.split("train")]
        place = pd.Series(range(len(known) + len(self.sample_ids)), [*known, *self.sample_ids])
        wanted = [rows.sample_ids[number] for number in rows.split("train")]
        if len(place) != len(wanted) or not place.index.is_unique or set(wanted) - set(place.index):
            raise ArtifactError(
                "The packed rows are not the labelled and the unlabelled ones.",
                found=len(wanted),
                expected=len(place),
            )
        order = place.reindex(wanted).to_numpy()
        singly = {
            tag: np.concatenate([soft.of_teachers[:, :, number], self.of_teachers[tag]])[order]
            for number, tag in enumerate(soft.teachers)
        }
        return Answered(wanted, np.concatenate([soft.logits, self.logits])[order], singly)


def answer(
    logits: Mapping[str, LogitsSet], ensemble: Ensemble, how: Teaching, least: float
) -> Answered:
    """Ask the ensemble for every face.

    Args:
        logits: of each teacher of the ensemble, of these faces and their views.
        ensemble: chosen on calib rows.
        how: which weights teach.
        least: faces with less confidence are left out.

    Raises:
        ArtifactError: other teachers than the ensemble's, or logits without views.
        DataError: the ensemble is sure enough of no face.
    """
    found = {tag: of_one.model_sha256 for tag, of_one in logits.items()}
    if found != ensemble.model_sha256:
        raise ArtifactError(
            "The ensemble was chosen with other teachers.",
            found=found,
            expected=ensemble.model_sha256,
            remedy="run `fer run ensemble`",
        )
    ids = next(iter(logits.values())).sample_ids
    seen = {}
    for tag, of_one in logits.items():
        if of_one.views is None:
            raise ArtifactError("Targets need logits of the stored views.", where=tag)
        seen[tag] = np.concatenate([of_one.eval[:, None], of_one.views], axis=1)
    everyone = np.arange(len(ids))
    fused = how.finished(how.fused(ensemble, seen, everyone), everyone).astype(np.float16)
    singly = {
        tag: (seen[tag] / np.float32(ensemble.temperatures[tag])).astype(np.float16)
        for tag in how.teachers(ensemble)
    }
    answered = Answered(list(ids), fused, singly)
    sure = np.flatnonzero(answered.confidence >= least)
    if not len(sure):
        raise DataError(
            "The ensemble is sure enough of no face without a label.",
            where="params.yaml: student.unlabelled.min_confidence",
            found=f"at most {answered.confidence.max():.3f} in {len(ids)} faces",
            expected=f"at least {least}",
            remedy="lower it",
        )
    return answered.of(sure)
