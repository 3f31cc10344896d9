"""Logit standardisation (Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024, algorithm 1), with its CE term."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.learning.options import MethodOptions

__all__ = ["NEEDS_TARGETS", "Options", "loss", "standardised"]

NEEDS_TARGETS = True

_SMALLEST = 1e-7


class Options(MethodOptions):
    """Section `student.lskd`.

    Attributes:
        temperature: base temperature of the standardised logits.
        ce_weight: weight of the cross-entropy.
        kd_weight: weight of the distillation term.
    """

    temperature: Annotated[float, Field(gt=0)]
    ce_weight: Annotated[float, Field(ge=0)]
    kd_weight: Annotated[float, Field(ge=0)]


def loss(logits: Tensor, targets: Tensor, labels: Tensor, options: Options) -> Tensor:
    """ce_weight CE + kd_weight T^2 KL(softmax(Z(targets) / T) || softmax(Z(logits) / T)), mean over the batch; Z is the z-score.

    The student need not copy the teacher's shift and scale, only the shape of its logits.

    Args:
        logits: student's, float32 [N, C].
        targets: teacher's logits of the same views, [N, C].
        labels: int64 [N].
        options: section `student.lskd`.

    Returns:
        Scalar, in nats.
    """
    t = options.temperature
    student, teacher = ((standardised(values) / t).log_softmax(dim=1) for values in (logits, targets.float()))
    divergence = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return options.ce_weight * functional.cross_entropy(logits, labels) + options.kd_weight * t * t * divergence


def standardised(logits: Tensor) -> Tensor:
    """Each row minus its mean, over its standard deviation (of the C logits as a sample), [N, C]."""
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + _SMALLEST)
