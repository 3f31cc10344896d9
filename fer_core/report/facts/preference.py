"""Is the deployed student the one that val rows would choose? `deploy.student` is set by hand; the
report says so when another did better.

Val rows are what a choice may be made on. Test rows are only reported: choosing on them would make
the reported figures too good.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.bootstrap import Interval, paired_differences
from fer_core.evaluation.metrics.metrics import outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["Preference", "val_preference"]

_METRIC = "macro_f1"


@dataclass(frozen=True)
class Preference:
    """What val rows say of the choice.

    Attributes:
        deployed: key of the deployed student.
        preferred: key of the student with the greatest val macro-F1; the deployed one where none is
            greater.
        rows: val rows.
        macro_f1: student -> val macro-F1, greatest first.
        lead: val macro-F1 of the preferred student minus the deployed one's, with its 95 %
            interval; None where they are the same.
    """

    deployed: str
    preferred: str
    rows: int
    macro_f1: dict[str, float]
    lead: Interval | None

    @property
    def warning(self) -> str | None:
        """What to tell the reader; None where val prefers the deployed student."""
        if self.lead is None:
            return None
        sure = "beyond chance" if self.lead.low > 0 else "within chance"
        return (
            f"Val rows prefer {self.preferred} to the deployed {self.deployed}: macro-F1 "
            f"{self.macro_f1[self.preferred]:.3f} against "
            f"{self.macro_f1[self.deployed]:.3f} on {self.rows:,} rows, a lead of "
            f"{self.lead.value:.3f} "
            f"(95 % interval {self.lead.low:.3f} to {self.lead.high:.3f}, {sure})."
        )


def val_preference(
    students: Mapping[str, Evaluation], deployed: str, options: EvaluationOptions, seed: int
) -> Preference:
    """Compare the students on val rows.

    Args:
        students: evaluations by key.
        deployed: key of the deployed one.
        options: section `evaluation`.
        seed: of the bootstrap.

    Raises:
        ArtifactError: the deployed student is not among them, or they are not of the same rows.
    """
    if deployed not in students:
        raise ArtifactError(
            "The deployed student was not evaluated.", found=", ".join(students), expected=deployed
        )
    outcomes = {
        key: outcome_of(*_val(evaluation), options.bins) for key, evaluation in students.items()
    }
    scores = {
        key: evaluation.metrics["val"]["metrics"][_METRIC]["value"]
        for key, evaluation in students.items()
    }
    preferred = max(scores, key=lambda key: (scores[key], key == deployed))
    lead = None
    if preferred != deployed:
        lead = paired_differences(
            [outcomes[preferred]],
            [outcomes[deployed]],
            (_METRIC,),
            options.bootstrap,
            seed,
            students[deployed].clusters("val"),
        )[_METRIC]
    ranked = dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
    return Preference(deployed, preferred, len(outcomes[deployed].labels), ranked, lead)


def _val(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    return next((logits, labels) for name, logits, labels in evaluation.each_set() if name == "val")
