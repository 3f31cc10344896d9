"""DIST (Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, eq. 7 to 10),
with its CE term.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.method import DistillationOptions, paired, trusted

__all__ = ["NEEDS_TARGETS", "Options", "correlation_distance", "loss"]

NEEDS_TARGETS = True

_SMALLEST = 1e-8


class Options(DistillationOptions):
    """Section `student.dist`.

    Attributes:
        temperature: applied to teacher and student alike.
        beta: weight of the inter-class term: how one face's classes relate.
        gamma: weight of the intra-class term: how the batch's faces relate in one class.
    """

    temperature: Annotated[float, Field(gt=0)]
    beta: Annotated[float, Field(ge=0)]
    gamma: Annotated[float, Field(ge=0)]


def loss(logits: Tensor, targets: Tensor, labels: Tensor, options: Options) -> Tensor:
    """CE + T^2 (beta inter + gamma intra): 1 - Pearson correlation of probabilities, over rows and
    over columns.

    Correlations ask for relations and not for values, so a teacher that is much surer than the
    student can be does no harm. Both distances are over the rows that the gate lets pass.

    Args:
        logits: student's, float32 [N, C].
        targets: teacher's logits of the same views, [N, C].
        labels: int64 [N].
        options: section `student.dist`.

    Returns:
        Scalar; the CE is in nats, the distances have no unit.
    """
    t, kept = options.temperature, trusted(targets, labels, options).bool()
    student, teacher = (
        (values[kept] / t).softmax(dim=1) for values in paired(logits, targets, options)
    )
    inter = correlation_distance(student, teacher).sum() / kept.sum().clamp(min=1)
    intra = correlation_distance(student.T, teacher.T).mean()
    return functional.cross_entropy(logits, labels) + t * t * (
        options.beta * inter + options.gamma * intra
    )


def correlation_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - Pearson correlation of each row of `a` with that of `b`, [N]; 1 where a row is
    constant.
    """
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    return 1 - functional.cosine_similarity(a, b, dim=1, eps=_SMALLEST)
