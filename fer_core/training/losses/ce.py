"""Cross-entropy on the labels: the baseline that every distillation method is compared with."""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Loss, Needs

__all__ = ["CE"]


class CE(Loss):
    """Cross-entropy with the labels, without teachers.

    Attributes:
        label_smoothing: share of the label's mass given to all classes alike (Szegedy et al., CVPR
            2016).
    """

    needs: ClassVar = Needs.NONE

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]

    def __call__(self, logits: Tensor, targets: None, labels: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
