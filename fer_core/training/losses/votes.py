"""Learning from the distribution of several people's votes (Barsoum et al., "Training Deep Networks
for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016: their
cross-entropy loss).
"""

from typing import Annotated

from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.method import MethodOptions

__all__ = ["NEEDS_TARGETS", "NEEDS_VOTES", "Options", "loss"]

NEEDS_TARGETS = False
NEEDS_VOTES = True


class Options(MethodOptions):
    """Section `student.votes`.

    Attributes:
        share: of the votes in a row's target; the rest is the label's. Rows that nobody voted on
            have the label alone.
    """

    share: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _no_teacher(self) -> "Options":
        if self.guided:
            raise ValueError(
                "negl.negatives must be uniform: this method's targets are votes, and there is no "
                "teacher to guide by"
            )
        return self


def loss(logits: Tensor, targets: Tensor, labels: Tensor, options: Options) -> Tensor:
    """- sum over classes of p log softmax(logits), with p = (1 - share) onehot(label) + share
      votes, mean over the batch.

    Args:
        logits: student's, float32 [N, C].
        targets: shares of the classes among the votes, float32 [N, C]; rows of zeros where there
            are none.
        labels: int64 [N].
        options: section `student.votes`.

    Returns:
        Scalar, in nats.
    """
    onehot = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    share = options.share * targets.sum(dim=1, keepdim=True)  # 0 where nobody voted
    return functional.cross_entropy(logits, (1 - share) * onehot + options.share * targets)
