"""Distillation from several teachers, each with a term of its own: the original system's "four-way
split".

You et al., "Learning from Multiple Teacher Networks", KDD 2017, average the softened outputs into
one term instead.

With equal weights the mean of the terms and one term against the mean of the tempered probabilities
differ by a constant, so their gradients are equal; what can make a difference is a weight for each
teacher and row. Those of "confidence" are Zhang, Chen & Wang's, "Confidence-Aware Multi-Teacher
Knowledge Distillation", ICASSP 2022.
"""

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Distillation, Needs

__all__ = ["MTKD"]


class MTKD(Distillation):
    """Distillation from each teacher with weights of its own.

    Attributes:
        alpha: share of the distillation terms; 1 - alpha is the cross-entropy's.
        weighting: "equal"; or "confidence", more for the teachers that give the row's label the
            higher probability.
    """

    needs: ClassVar = Needs.EACH_TEACHER

    alpha: Annotated[float, Field(ge=0, le=1)]
    weighting: Literal["equal", "confidence"] = "equal"

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """(1 - alpha) CE + alpha T^2 sum over teachers m of w_m KL(softmax(targets_m / T) ||
        softmax(logits / T)), mean over the batch.

        The gate takes the share of a teacher that is wrong about a row from the distillation terms
        and gives it to the row's cross-entropy.
        """
        t, weights = self.temperature, self.alpha * self.shares(targets, labels)
        student, teachers = (
            (values / t).log_softmax(dim=-1) for values in self.paired(logits, targets)
        )
        divergences = functional.kl_div(
            student[:, None].expand_as(teachers), teachers, reduction="none", log_target=True
        ).sum(dim=2)
        cross_entropies = self.label_losses(logits, targets, labels)
        return (
            (1 - weights.sum(dim=1)) * cross_entropies + t * t * (weights * divergences).sum(dim=1)
        ).mean()

    def shares(self, targets: Tensor, labels: Tensor) -> Tensor:
        """Weight of each teacher for each row, [N, M]: they sum to 1 over teachers, less the shares
        of those that the gate keeps out.

        "confidence" is (1 - softmax of the teachers' cross-entropies) / (M - 1).
        """
        rows, teachers, _ = targets.shape
        weights = torch.full((rows, teachers), 1 / teachers, device=targets.device)
        if self.weighting == "confidence" and teachers > 1:
            of_label = (
                targets.float()
                .log_softmax(dim=2)
                .gather(2, labels[:, None, None].expand(rows, teachers, 1))[..., 0]
            )
            weights = (1 - (-of_label).softmax(dim=1)) / (teachers - 1)
        if self.gate == "teacher_right":
            weights = weights * (targets.argmax(dim=2) == labels[:, None])
        return weights
