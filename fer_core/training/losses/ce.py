"""Cross-entropy on the labels: the baseline that every distillation method is compared with."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.method import MethodOptions

__all__ = ["NEEDS_TARGETS", "Options", "loss"]

NEEDS_TARGETS = False


class Options(MethodOptions):
    """Section `student.ce`.

    Attributes:
        label_smoothing: share of the label's mass given to all classes alike (Szegedy et al., CVPR
            2016).
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


def loss(logits: Tensor, targets: Tensor | None, labels: Tensor, options: Options) -> Tensor:
    """Mean cross-entropy.

    Args:
        logits: student's, float32 [N, C].
        targets: unused.
        labels: int64 [N].
        options: section `student.ce`.

    Returns:
        Scalar, in nats.
    """
    return functional.cross_entropy(logits, labels, label_smoothing=options.label_smoothing)
