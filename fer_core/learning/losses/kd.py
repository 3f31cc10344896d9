"""Knowledge distillation (Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.learning.options import MethodOptions

__all__ = ["NEEDS_TARGETS", "Options", "loss"]

NEEDS_TARGETS = True


class Options(MethodOptions):
    """Section `student.kd`.

    Attributes:
        temperature: T, applied to teacher and student alike; the stored targets are calibrated logits at T = 1.
        alpha: share of the distillation term; 1 - alpha is the cross-entropy's.
    """

    temperature: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(ge=0, le=1)]


def loss(logits: Tensor, targets: Tensor, labels: Tensor, options: Options) -> Tensor:
    """(1 - alpha) CE + alpha T^2 KL(softmax(targets / T) || softmax(logits / T)), mean over the batch.

    Args:
        logits: student's, float32 [N, C].
        targets: teacher's logits of the same views, [N, C].
        labels: int64 [N].
        options: section `student.kd`.

    Returns:
        Scalar, in nats.
    """
    t = options.temperature
    divergence = functional.kl_div(
        functional.log_softmax(logits / t, dim=1),
        functional.log_softmax(targets.float() / t, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - options.alpha) * functional.cross_entropy(logits, labels) + options.alpha * t * t * divergence
