"""Normalised knowledge distillation (Yang et al., "From Knowledge Distillation to Self-Knowledge
Distillation: A Unified Approach with Normalized Loss and Customized Soft Labels", ICCV 2023,
section 3.2), with its CE term."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Distillation, Needs

__all__ = ["NKD"]


class NKD(Distillation):
    """Normalised knowledge distillation (Yang et al., ICCV 2023).

    Attributes:
        gamma: weight of the term over the other classes, the only one that is tempered.
    """

    needs: ClassVar = Needs.FUSED

    gamma: Annotated[float, Field(ge=0)]

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """CE - p_t log q_t - gamma T^2 sum over i != t of P_i log Q_i, mean over the batch.

        p and q are the teacher's and student's probabilities at T = 1, t the label; P and Q are
        those of the other classes alone, tempered and renormalised, so that their sums agree
        whatever is left beside the label. Rows that the gate keeps out have CE alone.
        """
        t, of_row = self.temperature, self.trusted(targets, labels)
        cross_entropies = functional.cross_entropy(logits, labels, reduction="none")
        of_label = targets.float().softmax(dim=1).gather(1, labels[:, None])[:, 0]
        others = torch.ones_like(logits, dtype=torch.bool).scatter(1, labels[:, None], False)
        student_others, teacher_others = (
            values[others].view(len(values), -1) / t for values in self.paired(logits, targets)
        )
        rest = -(teacher_others.softmax(dim=1) * student_others.log_softmax(dim=1)).sum(dim=1)
        return (
            self.label_losses(logits, targets, labels)
            + of_row * (of_label * cross_entropies + self.gamma * t * t * rest)
        ).mean()
