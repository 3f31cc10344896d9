"""Knowledge distillation (Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network",
2015).
"""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Distillation, Needs

__all__ = ["KD"]


class KD(Distillation):
    """Knowledge distillation (Hinton et al., 2015); with `standardize` that of Sun et al., CVPR
    2024, algorithm 1.

    Attributes:
        alpha: share of the distillation term; 1 - alpha is the cross-entropy's.
    """

    needs: ClassVar = Needs.FUSED

    alpha: Annotated[float, Field(ge=0, le=1)]

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """(1 - alpha) CE + alpha T^2 KL(softmax(targets / T) || softmax(logits / T)), mean over the
        batch.

        Rows that the gate keeps out have CE alone, whole.
        """
        t, alpha = self.temperature, self.alpha * self.trusted(targets, labels)
        student, teacher = (
            (values / t).log_softmax(dim=1) for values in self.paired(logits, targets)
        )
        divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(
            dim=1
        )
        return (
            (1 - alpha) * self.label_losses(logits, targets, labels) + alpha * t * t * divergence
        ).mean()
