"""Class-prototype memory: features of a class keep close to their running mean (the original
system's "NL", kind proto).

Inconsistency of a row is 1 - cos(feature, prototype of its label); a gate picks the rows that are
pulled. The prototype is that of the steps before, so no row is compared with itself, and features
are compared as they are: a learnt projection between could satisfy the loss by collapsing.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from fer_core.base.labels import N_CLASSES
from fer_core.base.params import Section

__all__ = ["ProtoOptions", "Prototypes"]


class ProtoOptions(Section):
    """Entry `proto` of a method's section.

    Attributes:
        weight: of the term.
        momentum: of the running mean.
        gate: "fixed" pulls rows of more than `threshold` inconsistency, "topk" the `share` most
            inconsistent of a batch.
        threshold, share: of the gate.
    """

    weight: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    gate: Literal["fixed", "topk"] = "topk"
    threshold: Annotated[float, Field(ge=0, le=2)] = 0.2
    share: Annotated[float, Field(gt=0, le=1)] = 0.1


class Prototypes:
    """The memory.

    Args:
        options: entry `proto`.
    """

    def __init__(self, options: ProtoOptions) -> None:
        self._options = options
        self.memory: Tensor | None = None
        self.known = torch.zeros(N_CLASSES, dtype=torch.bool)

    def loss(self, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pull of a batch, which then joins the memory.

        Args:
            features: float32 [N, F].
            labels: int64 [N].

        Returns:
            Mean over the batch of gate x inconsistency (without the weight), the gate as bool [N],
            and the cosines [N] (0 for rows of a class that the memory has not seen).
        """
        unit = functional.normalize(features, dim=1)
        if self.memory is None:
            self.memory = unit.new_zeros(N_CLASSES, unit.shape[1])
        self.memory, self.known = self.memory.to(unit.device), self.known.to(unit.device)
        seen = self.known[labels]
        cosine = (unit * functional.normalize(self.memory, dim=1)[labels]).sum(dim=1)
        inconsistency = torch.where(seen, 1 - cosine, 0.0)
        chosen = self._gate(inconsistency.detach(), seen)
        self._update(unit.detach(), labels)
        return (inconsistency * chosen).mean(), chosen, torch.where(seen, cosine, 0.0).detach()

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {} if self.memory is None else {"memory": self.memory, "known": self.known}

    def restore(self, state: dict[str, Tensor]) -> None:
        """What `state` gave."""
        self.memory, self.known = state.get("memory"), state.get("known", self.known)

    def _gate(self, inconsistency: Tensor, seen: Tensor) -> Tensor:
        if self._options.gate == "fixed":
            return seen & (inconsistency > self._options.threshold)
        count = max(1, round(self._options.share * len(inconsistency)))
        order = torch.where(seen, inconsistency, -torch.inf).argsort(descending=True, stable=True)
        return torch.zeros_like(seen).index_fill(0, order[:count], True) & seen

    def _update(self, unit: Tensor, labels: Tensor) -> None:
        assert self.memory is not None
        hits = functional.one_hot(labels, N_CLASSES).to(unit.dtype)
        counts = hits.sum(dim=0)
        means = hits.T @ unit / counts.clamp(min=1)[:, None]
        kept = torch.where(self.known, self._options.momentum, 0.0).to(unit.dtype)[:, None]
        present = counts > 0
        self.memory = torch.where(
            present[:, None], kept * self.memory + (1 - kept) * means, self.memory
        )
        self.known = self.known | present
