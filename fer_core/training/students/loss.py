"""The base of the losses in `fer_core/training/losses/`: one file each, which holds one class of
the file's name.

A loss is also the model of its section of params.yaml: its fields are its options, checked as they
are read, and calling it gives the loss of a batch. A new one is a new file with a class that says
what it `needs`, its fields and `__call__`.
"""

from abc import abstractmethod
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from fer_core.base.params import Section
from fer_core.training.students.lp import LpOptions
from fer_core.training.students.needs import Needs
from fer_core.training.students.negl import NegLOptions
from fer_core.training.students.proto import ProtoOptions

__all__ = ["Distillation", "Doubt", "Loss", "Needs", "loss_class", "standardised"]

_SMALLEST = 1e-7


class Loss(Section):
    """What the section of every method may hold.

    Attributes:
        needs: targets that it is called with.
        relates_rows: whether a row's loss depends on the other rows of its micro-batch; else the
            loss is the same however a batch is worked through.
        method: file of `fer_core/training/losses/`, where the section has a name of its own:
            `kd_soft: {method: kd, …}` beside `kd`.
        lr: peak learning rate tuned for this method on val rows; None takes that of
            `student.train`.
        start: method whose student of the same seed this one goes on from, with that one's selected
            weights; None starts from the initial weights that all share. A method that goes on from
            another had more training: `compare` does not rank the two.
        extra_epochs: epochs of this run, counted from its own start; None takes those of
            `student.train`.
        trainable: part of the network that learns in this method, "all", "head", "norms", "affine"
            or "last"; None takes that of `student.train`. With `start` the head may learn first,
            and then all.
        negl, proto, lp: auxiliary terms added to the loss; none if left out.
    """

    needs: ClassVar[Needs]
    relates_rows: ClassVar[bool] = False

    method: str | None = None
    lr: Annotated[float | None, Field(gt=0)] = None
    start: str | None = None
    extra_epochs: Annotated[int | None, Field(ge=1)] = None
    trainable: Literal["all", "head", "norms", "affine", "last"] | None = None
    negl: NegLOptions | None = None
    proto: ProtoOptions | None = None
    lp: LpOptions | None = None

    @abstractmethod
    def __call__(self, logits: Tensor, targets: Any, labels: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar in nats (distances between probabilities have no unit).

        Args:
            logits: student's, float32 [N, C].
            targets: what it `needs`, of the very views that the student saw: logits of the fused
                teachers [N, C], of each teacher [N, M, C], shares of the votes (zeros where nobody
                voted) [N, C], or None.
            labels: int64 [N].
        """

    @property
    def name(self) -> str:
        """That of its file."""
        return type(self).__name__.lower()

    @property
    def has_auxiliary(self) -> bool:
        """Whether any auxiliary term is asked for."""
        return any(term is not None for term in (self.negl, self.proto, self.lp))

    @property
    def of_micro_batch(self) -> list[str]:
        """Parts of the loss that compare the rows of a micro-batch, or divide by what is in it:
        with `accumulation` they are others than those of the whole batch.
        """
        terms = {"negl": self.negl, "proto": self.proto, "lp": self.lp}
        own = [self.name] if self.relates_rows else []
        return own + [name for name, term in terms.items() if term is not None]

    @property
    def guided(self) -> bool:
        """Whether a term asks a teacher, so that even a loss of labels alone needs targets."""
        return self.negl is not None and self.negl.guided

    @property
    def mixable(self) -> bool:
        """Whether images may be mixed: targets are of plain images, and terms know one label a
        row.
        """
        return self.needs is Needs.NONE and not self.has_auxiliary


class Doubt(Section):
    """Which labels count for less: those that teachers doubt who never saw them.

    Attributes:
        least: probability (T = 1) from which a class other than the label raises the doubt.
        weight: of the cross-entropy with a doubted label; 0 leaves it to the teachers.
    """

    least: Annotated[float, Field(gt=0, le=1)] = 0.8
    weight: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Distillation(Loss):
    """What the section of every method that learns from teachers may hold.

    Attributes:
        standardize: compare z-scores of logits (Sun et al., "Logit Standardization in Knowledge
            Distillation", CVPR 2024), so that the student need not copy the teacher's shift and
            scale.
        gate: "teacher_right" distils only rows whose teacher gives the label the highest logit; the
            others learn from the label alone.
        doubt: the reverse: labels that the teachers doubt have less weight, or none; all have the
            same if left out. For noisy labels; needs teachers that never saw the row
            (`teacher.folds`).
        temperature: T, applied to teacher and student alike; the stored targets are calibrated
            logits at T = 1.
    """

    standardize: bool = False
    gate: Literal["none", "teacher_right"] = "none"
    doubt: Doubt | None = None
    temperature: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _somebody_teaches(self) -> Self:
        if self.doubt is not None and self.gate != "none":
            raise ValueError(
                "`gate` believes the label where a teacher differs, and `doubt` the teacher: take "
                "one of them out"
            )
        return self

    def paired(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Student's and teacher's logits as the distillation terms compare them, float32
        [..., C].
        """
        targets = targets.float()
        if self.standardize:
            return standardised(logits), standardised(targets)
        return logits, targets

    def trusted(self, targets: Tensor, labels: Tensor) -> Tensor:
        """1 for rows that are distilled, 0 for those the gate keeps out, [N]."""
        if self.gate == "none":
            return torch.ones(len(labels), device=targets.device)
        return (targets.argmax(dim=1) == labels).float()

    def label_losses(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of each row with its label, that of doubted labels weighted, [N].

        Args:
            logits: student's, float32 [N, C].
            targets: teachers' logits [N, C], or [N, M, C], whose mean probability counts.
            labels: int64 [N].
        """
        entropies = functional.cross_entropy(logits, labels, reduction="none")
        if self.doubt is None:
            return entropies
        answers = targets.float().softmax(dim=-1)
        if answers.ndim == 3:
            answers = answers.mean(dim=1)
        most, chosen = answers.max(dim=1)
        doubted = (chosen != labels) & (most >= self.doubt.least)
        return torch.where(doubted, self.doubt.weight * entropies, entropies)


def standardised(logits: Tensor) -> Tensor:
    """Each row minus its mean, over its standard deviation (of the C logits as a sample), [...,
    C].
    """
    return (logits - logits.mean(dim=-1, keepdim=True)) / (
        logits.std(dim=-1, keepdim=True) + _SMALLEST
    )


def loss_class(name: str) -> type[Loss]:
    """The class of a file of `fer_core/training/losses/`: that of the same name, in any case."""
    members = vars(import_module(f"fer_core.training.losses.{name}"))
    found: type[Loss] = next(value for key, value in members.items() if key.lower() == name)
    return found
