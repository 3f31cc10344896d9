"""Knowledge distillation (Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network",
2015).
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.method import DistillationOptions, paired, trusted

__all__ = ["NEEDS_TARGETS", "Options", "loss"]

NEEDS_TARGETS = True


class Options(DistillationOptions):
    """Section `student.kd`; with `standardize` the method of Sun et al., CVPR 2024, algorithm 1.

    Attributes:
        temperature: T, applied to teacher and student alike; the stored targets are calibrated
            logits at T = 1.
        alpha: share of the distillation term; 1 - alpha is the cross-entropy's.
    """

    temperature: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(ge=0, le=1)]


def loss(logits: Tensor, targets: Tensor, labels: Tensor, options: Options) -> Tensor:
    """(1 - alpha) CE + alpha T^2 KL(softmax(targets / T) || softmax(logits / T)), mean over the
    batch.

    Rows that the gate keeps out have CE alone, whole.

    Args:
        logits: student's, float32 [N, C].
        targets: teacher's logits of the same views, [N, C].
        labels: int64 [N].
        options: section `student.kd`.

    Returns:
        Scalar, in nats.
    """
    t, alpha = options.temperature, options.alpha * trusted(targets, labels, options)
    student, teacher = (
        (values / t).log_softmax(dim=1) for values in paired(logits, targets, options)
    )
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)
    return (
        (1 - alpha) * functional.cross_entropy(logits, labels, reduction="none")
        + alpha * t * t * divergence
    ).mean()
