"""Locality-preserving loss (Li, Deng & Du, "Reliable Crowdsourcing and Deep Locality-Preserving
Learning for Expression Recognition in the Wild", CVPR 2017, eq. 4): a feature stays near its
neighbours of the same class."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fer_core.base.params import Section

__all__ = ["LpOptions", "locality_loss"]


class LpOptions(Section):
    """Entry `lp` of a method's section.

    Attributes:
        weight: of the term.
        neighbours: k, of the same class in the same batch; a class with fewer others gives what it
            has.
    """

    weight: Annotated[float, Field(gt=0)]
    neighbours: Annotated[int, Field(ge=1)] = 20


def locality_loss(features: Tensor, labels: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """1/2 mean of |x - mean of its k nearest same-class neighbours of the batch|^2 over the rows
    that have one.

    The neighbours' mean is held fixed: a row moves towards it, and not it towards the row.

    Args:
        features: float32 [N, F].
        labels: int64 [N].
        neighbours: k.

    Returns:
        Scalar, 0 if no row has a neighbour; and whether a row has one, bool [N].
    """
    same = (labels[:, None] == labels[None, :]).fill_diagonal_(False)
    with torch.no_grad():
        distances = torch.cdist(features, features).masked_fill(~same, torch.inf)
        nearest = distances.topk(min(neighbours, len(features)), dim=1, largest=False)
    near = torch.zeros_like(distances).scatter(
        1, nearest.indices, torch.isfinite(nearest.values).to(distances.dtype)
    )
    counts = near.sum(dim=1)
    included = counts > 0
    centres = near @ features.detach() / counts.clamp(min=1)[:, None]
    squares = (features - centres).square().sum(dim=1) * included
    return 0.5 * squares.sum() / included.sum().clamp(min=1), included
