"""Learning from the distribution of several people's votes (Barsoum et al., "Training Deep Networks
for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016: their
cross-entropy loss).
"""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from fer_core.training.students.loss import Loss, Needs

__all__ = ["Votes"]


class Votes(Loss):
    """Cross-entropy with the annotators' votes.

    Attributes:
        share: of the votes in a row's target; the rest is the label's. Rows that nobody voted on
            have the label alone.
    """

    needs: ClassVar = Needs.VOTES

    share: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _no_teacher(self) -> "Votes":
        if self.guided:
            raise ValueError(
                "negl.negatives must be uniform: this method's targets are votes, and there is no "
                "teacher to guide by"
            )
        return self

    def __call__(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """- sum over classes of p log softmax(logits), with p = (1 - share) onehot(label) + share
        votes, mean over the batch.
        """
        onehot = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
        share = self.share * targets.sum(dim=1, keepdim=True)  # 0 where nobody voted
        return functional.cross_entropy(logits, (1 - share) * onehot + self.share * targets)
