"""What the methods of `learning/losses/` have in common: options of their sections, and how teacher
and student logits meet.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fer_core.base.params import Section
from fer_core.training.students.lp import LpOptions
from fer_core.training.students.negl import NegLOptions
from fer_core.training.students.proto import ProtoOptions

__all__ = ["DistillationOptions", "MethodOptions", "paired", "standardised", "trusted"]

_SMALLEST = 1e-7


class MethodOptions(Section):
    """What the section of every method may hold.

    Attributes:
        method: file of `learning/losses/`, where the section has a name of its own: `kd_soft:
            {method: kd, …}` beside `kd`.
        lr: peak learning rate tuned for this method on val rows; None takes that of
            `student.train`.
        start: method whose student of the same seed this one goes on from, with that one's selected
            weights; None starts from the initial weights that all share. A method that goes on from
            another had more training: `compare` does not rank the two.
        extra_epochs: epochs of this run, counted from its own start; None takes those of
            `student.train`.
        negl, proto, lp: auxiliary terms added to the loss; none if left out.
    """

    method: str | None = None
    lr: Annotated[float | None, Field(gt=0)] = None
    start: str | None = None
    extra_epochs: Annotated[int | None, Field(ge=1)] = None
    negl: NegLOptions | None = None
    proto: ProtoOptions | None = None
    lp: LpOptions | None = None

    @property
    def has_auxiliary(self) -> bool:
        """Whether any auxiliary term is asked for."""
        return any(term is not None for term in (self.negl, self.proto, self.lp))

    @property
    def guided(self) -> bool:
        """Whether a term asks a teacher, so that even a loss of labels alone needs targets."""
        return self.negl is not None and self.negl.negatives != "uniform"


class DistillationOptions(MethodOptions):
    """What the section of every method with targets may hold.

    Attributes:
        standardize: compare z-scores of logits (Sun et al., "Logit Standardization in Knowledge
            Distillation", CVPR 2024), so that the student need not copy the teacher's shift and
            scale.
        gate: "teacher_right" distils only rows whose teacher gives the label the highest logit; the
            others learn from the label alone.
    """

    standardize: bool = False
    gate: Literal["none", "teacher_right"] = "none"


def paired(logits: Tensor, targets: Tensor, options: DistillationOptions) -> tuple[Tensor, Tensor]:
    """Student's and teacher's logits as the distillation terms compare them, float32 [..., C]."""
    targets = targets.float()
    return (
        (standardised(logits), standardised(targets)) if options.standardize else (logits, targets)
    )


def trusted(targets: Tensor, labels: Tensor, options: DistillationOptions) -> Tensor:
    """1 for rows that are distilled, 0 for those the gate keeps out, [N]."""
    if options.gate == "none":
        return torch.ones(len(labels), device=targets.device)
    return (targets.argmax(dim=1) == labels).float()


def standardised(logits: Tensor) -> Tensor:
    """Each row minus its mean, over its standard deviation (of the C logits as a sample), [...,
    C].
    """
    return (logits - logits.mean(dim=-1, keepdim=True)) / (
        logits.std(dim=-1, keepdim=True) + _SMALLEST
    )
