"""DIST (Huang et al., "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, eq. 7 to 10),
with its CE term.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Distillation, Needs

__all__ = ["DIST", "correlation_distance"]

_SMALLEST = 1e-8


class DIST(Distillation):
    """Distillation by correlations between and within classes (DIST, Huang et al., NeurIPS 2022).

    Attributes:
        beta: weight of the inter-class term: how one face's classes relate.
        gamma: weight of the intra-class term: how the batch's faces relate in one class.
    """

    needs: ClassVar = Needs.FUSED
    relates_rows: ClassVar = True

    beta: Annotated[float, Field(ge=0)]
    gamma: Annotated[float, Field(ge=0)]

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """CE + T^2 (beta inter + gamma intra): 1 - Pearson correlation of probabilities, over rows
        and over columns.

        Correlations ask for relations and not for values, so a teacher that is much surer than the
        student can be does no harm. Both distances are over the rows that the gate lets pass.
        """
        t, kept = self.temperature, self.trusted(targets, labels).bool()
        student, teacher = (
            (values[kept] / t).softmax(dim=1) for values in self.paired(logits, targets)
        )
        inter = correlation_distance(student, teacher).sum() / kept.sum().clamp(min=1)
        intra = correlation_distance(student.T, teacher.T).mean()
        return self.label_losses(logits, targets, labels).mean() + t * t * (
            self.beta * inter + self.gamma * intra
        )


def correlation_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - Pearson correlation of each row of `a` with that of `b`, [N]; 1 where a row is
    constant.
    """
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    return 1 - functional.cosine_similarity(a, b, dim=1, eps=_SMALLEST)
