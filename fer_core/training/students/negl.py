"""Negative learning: "this face does not show class k" (Kim et al., "NLNL: Negative Learning for
Noisy Labels", ICCV 2019, eq. 2).

The original system minimised -log p of the wrong class, which raises it; here the term is -log(1 -
p), which lowers it.
"""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from fer_core.base.labels import N_CLASSES
from fer_core.base.params import Section

__all__ = [
    "NegLOptions",
    "confusion",
    "draw_negatives",
    "excluded_loss",
    "negative_loss",
    "normalised_entropy",
    "teacher_probabilities",
    "uniforms",
]


class NegLOptions(Section):
    """Entry `negl` of a method's section.

    Attributes:
        weight: of the term.
        ratio: share of the rows that it is applied to, drawn anew each epoch.
        min_entropy: only rows whose prediction has at least this entropy, as a share of ln 7; 0
            takes all.
        negatives: how the wrong class is drawn: "uniform" among the six others; "teacher", by the
            teacher's probabilities of them for this very view; "confusion", by the teacher's mean
            probabilities of them over all train rows of the label.
    """

    weight: Annotated[float, Field(gt=0)]
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_entropy: Annotated[float, Field(ge=0, le=1)] = 0.7
    negatives: Literal["uniform", "teacher", "confusion"] = "uniform"


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


def teacher_probabilities(targets: Tensor) -> Tensor:
    """What the teacher gives each class, float64 [N, C]; the mean over teachers where the logits
    are of each, [N, M, C].
    """
    probabilities = targets.double().softmax(dim=-1)
    return probabilities if probabilities.dim() == 2 else probabilities.mean(dim=1)


def confusion(targets: Tensor, labels: Tensor) -> Tensor:
    """Mean teacher probability of every class over the rows of each label, [C, C].

    Args:
        targets: teacher's logits [N, C], or those of each teacher [N, M, C].
        labels: int64 [N].
    """
    sums = torch.zeros(N_CLASSES, N_CLASSES, dtype=torch.float64, device=targets.device)
    sums.index_add_(0, labels, teacher_probabilities(targets))
    return sums / torch.bincount(labels, minlength=N_CLASSES).clamp(min=1)[:, None]


def uniforms(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Two numbers of [0, 1) for every row of the pack's half in an epoch, float32 [rows, 2]: the
    same whatever the batches are.
    """
    return np.random.default_rng([seed, epoch, rows]).random((rows, 2), dtype=np.float32)
