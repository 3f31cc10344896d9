"""Decoupled knowledge distillation (Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, eq.
7), with its CE term.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Distillation, Needs

__all__ = ["DKD", "nckd", "tckd"]


class DKD(Distillation):
    """Decoupled knowledge distillation (Zhao et al., CVPR 2022).

    Attributes:
        alpha: weight of the target-class term (TCKD); in the other forms the share of distillation.
        beta: weight of the non-target-class term (NCKD).
        form: "paper"; or, to repeat earlier work, "original": what the original system's code did,
            or "report": what its report says.
    """

    needs: ClassVar = Needs.FUSED

    alpha: Annotated[float, Field(ge=0)]
    beta: Annotated[float, Field(ge=0)]
    form: Literal["paper", "original", "report"] = "paper"

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Mean over the batch, by form: paper CE + T^2 (alpha TCKD + beta NCKD); original (1 -
        alpha) CE + alpha T^2 (TCKD + beta NCKD); report (1 - alpha) CE + T^2 (alpha TCKD + beta
        NCKD).

        Rows that the gate keeps out have CE alone, whole.
        """
        t, of_row = self.temperature, self.trusted(targets, labels)
        student, teacher = (values / t for values in self.paired(logits, targets))
        of_labels = 1 - (0.0 if self.form == "paper" else self.alpha) * of_row
        beta = self.beta * (self.alpha if self.form == "original" else 1.0)
        distilled = self.alpha * tckd(student, teacher, labels) + beta * nckd(
            student, teacher, labels
        )
        return (
            of_labels * self.label_losses(logits, targets, labels) + of_row * t * t * distilled
        ).mean()


def tckd(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """KL between (p_target, 1 - p_target) of teacher and student, of tempered logits; [N], in
    nats.
    """

    def binary(logits: Tensor) -> Tensor:
        target = logits.gather(1, labels[:, None])
        others = _without_target(logits, labels).logsumexp(dim=1, keepdim=True)
        return torch.cat([target, others], dim=1).log_softmax(dim=1)

    return functional.kl_div(
        binary(student), binary(teacher), reduction="none", log_target=True
    ).sum(dim=1)


def nckd(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """KL between teacher and student over the classes that are not the target, renormalised; [N],
    in nats.
    """
    of_student = _without_target(student, labels).log_softmax(dim=1)
    of_teacher = _without_target(teacher, labels).log_softmax(dim=1)
    return functional.kl_div(of_student, of_teacher, reduction="none", log_target=True).sum(dim=1)


def _without_target(logits: Tensor, labels: Tensor) -> Tensor:
    """[N, C - 1]: the target column of each row left out."""
    others = torch.ones_like(logits, dtype=torch.bool).scatter(1, labels[:, None], False)
    return logits[others].view(len(logits), -1)
