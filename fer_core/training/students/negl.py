"""Negative learning: "this face does not show class k" (Kim et al., "NLNL: Negative Learning for
Noisy Labels", ICCV 2019, eq. 2).

The original system minimised -log p of the wrong class, which raises it; here the term is -log(1 -
p), which lowers it.
"""

import math
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.base.params import Section

__all__ = [
    "NegLOptions",
    "confusion",
    "draw_negatives",
    "excluded_loss",
    "least_probable",
    "negative_loss",
    "normalised_entropy",
    "teacher_probabilities",
    "uniforms",
]

_ClassName = Literal[CLASSES]  # type: ignore[valid-type]


class NegLOptions(Section):
    """Entry `negl` of a method's section.

    Attributes:
        weight: of the term.
        ratio: share of the rows that it is applied to, drawn anew each epoch.
        class_ratios: that share for the rows of a class, by its name; the others have `ratio`.
        min_entropy: only rows whose prediction has at least this entropy, as a share of ln 7; 0
            takes all.
        max_confidence: only rows whose largest probability is at most this; 1 takes all.
        negatives: how the wrong class is drawn: "uniform" among the six others; "least", the one
            that the student itself finds least probable; "teacher", by the teacher's probabilities
            of them for this very view; "confusion", by the teacher's mean probabilities of them
            over all train rows of the label.
        top: of the confusions of a label only this many, the most frequent; 0 takes all.
        min_support: only confusions that the teacher makes in at least so many train rows; a label
            that has none draws uniformly.
        gate: "none", or "learnt": a small network weighs each row by the student's entropy,
            confidence and margin and by the progress of the training. Only this term trains it, so
            that it tends to weigh nothing: give `least_applied` too.
        least_applied: the run stops where the share of rows that the term works on, weighed by the
            gate, is below this in an epoch; 0 lets it go on.
        most_loss: the run stops where the mean of the term over a batch's rows, without its weight,
            is above this on average over an epoch; null lets it go on.
    """

    weight: Annotated[float, Field(gt=0)]
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    class_ratios: dict[_ClassName, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict
    )
    min_entropy: Annotated[float, Field(ge=0, le=1)] = 0.7
    max_confidence: Annotated[float, Field(gt=0, le=1)] = 1.0
    negatives: Literal["uniform", "least", "teacher", "confusion"] = "uniform"
    top: Annotated[int, Field(ge=0, le=N_CLASSES - 1)] = 0
    min_support: Annotated[int, Field(ge=0)] = 0
    gate: Literal["none", "learnt"] = "none"
    least_applied: Annotated[float, Field(ge=0, le=1)] = 0.0
    most_loss: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.negatives != "confusion" and (self.top or self.min_support):
            raise ValueError("top and min_support choose among confusions: negatives: confusion")
        return self

    @property
    def guided(self) -> bool:
        """Whether a teacher says what is drawn."""
        return self.negatives in ("teacher", "confusion")

    def ratios(self) -> list[float]:
        """The share of rows by class."""
        return [self.class_ratios.get(name, self.ratio) for name in CLASSES]


def negative_loss(logits: Tensor, negatives: Tensor) -> Tensor:
    """-log(1 - p) of one class a row, in nats, [N]; exact where p is close to 1."""
    return excluded_loss(logits, torch.nn.functional.one_hot(negatives, logits.shape[1]).bool())


def excluded_loss(logits: Tensor, excluded: Tensor) -> Tensor:
    """The same of several classes together: -log(1 - their probability), bool [N, C]."""
    others = logits.masked_fill(excluded, -torch.inf)
    return logits.logsumexp(dim=1) - others.logsumexp(dim=1)


def normalised_entropy(logits: Tensor) -> Tensor:
    """Entropy of each row's softmax over ln C: 0 for certainty, 1 for a uniform prediction; [N]."""
    log_p = logits.log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1) / math.log(logits.shape[1])


def draw_negatives(labels: Tensor, weights: Tensor, uniform: Tensor) -> Tensor:
    """A class other than the label for each row, int64 [N].

    Args:
        labels: int64 [N].
        weights: how much each class is wanted, [N, C], not negative; the label's own is ignored.
        uniform: numbers of [0, 1), [N].
    """
    wanted = (weights.double() + 1e-12).scatter(1, labels[:, None], 0.0).cumsum(dim=1)
    place = uniform.double() * wanted[:, -1]
    return (wanted <= place[:, None]).sum(dim=1)


def least_probable(logits: Tensor, labels: Tensor) -> Tensor:
    """The class other than the label that has the lowest logit, int64 [N]."""
    return logits.scatter(1, labels[:, None], torch.inf).argmin(dim=1)


def teacher_probabilities(targets: Tensor) -> Tensor:
    """What the teacher gives each class, float64 [N, C]; the mean over teachers where the logits
    are of each, [N, M, C].
    """
    probabilities = targets.double().softmax(dim=-1)
    return probabilities if probabilities.dim() == 2 else probabilities.mean(dim=1)


def confusion(targets: Tensor, labels: Tensor, top: int = 0, min_support: int = 0) -> Tensor:
    """Mean teacher probability of every class over the rows of each label, [C, C]; 0 for the
    confusions that are left out.

    Args:
        targets: teacher's logits [N, C], or those of each teacher [N, M, C].
        labels: int64 [N].
        top: number of wrong classes that each label keeps, those of the highest means; 0 for all.
        min_support: least number of rows of a label that the teacher gives to the wrong class.
    """
    probabilities = teacher_probabilities(targets)
    sums = torch.zeros(N_CLASSES, N_CLASSES, dtype=torch.float64, device=targets.device)
    sums.index_add_(0, labels, probabilities)
    means = sums / torch.bincount(labels, minlength=N_CLASSES).clamp(min=1)[:, None]
    if min_support:
        pairs = labels * N_CLASSES + probabilities.argmax(dim=1)
        counts = torch.bincount(pairs, minlength=N_CLASSES**2).view(N_CLASSES, N_CLASSES)
        means = means * ((counts >= min_support) | torch.eye(N_CLASSES, device=means.device).bool())
    if top:
        wrong = means.masked_fill(torch.eye(N_CLASSES, device=means.device).bool(), -1.0)
        kept = torch.zeros_like(means).scatter(1, wrong.topk(top, dim=1).indices, 1.0)
        means = means * (kept + torch.eye(N_CLASSES, device=means.device))
    return means


def uniforms(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Two numbers of [0, 1) for every row of the pack's half in an epoch, float32 [rows, 2]: the
    same whatever the batches are.
    """
    return np.random.default_rng([seed, epoch, rows]).random((rows, 2), dtype=np.float32)
