"""Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018): images and losses
of two rows blended by one share.

What is mixed with what is a pure function of (seed, epoch, step), so that an interrupted run
repeats an uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fer_core.images.memory import on_device

__all__ = ["Mixture", "draw_mixture"]

_STREAM = 0x6D6978  # keeps these numbers apart from those that shuffle the rows


@dataclass(frozen=True)
class Mixture:
    """A partner for every row of a batch.

    Attributes:
        partner: int64 [n], place in the batch of the row that is mixed in.
        share: of the row itself, in [1/2, 1].
        labels: int64 [n], the partners' classes.
    """

    partner: Tensor
    share: float
    labels: Tensor

    def images(self, own: Tensor, mixed_in: Tensor) -> Tensor:
        """Images of the rows, each blended with its partner's."""
        return self.share * own + (1 - self.share) * mixed_in

    def part(self, places: slice) -> "Mixture":
        """The mixture of some rows of the batch."""
        return Mixture(self.partner[places], self.share, self.labels[places])

    def mass(self, mass_of: Callable[[Tensor], float | Tensor], labels: Tensor) -> float | Tensor:
        """What the mean loss of the mixed rows divides by, where `mass_of(labels)` is what that of
        plain rows does.
        """
        return self.share * mass_of(labels) + (1 - self.share) * mass_of(self.labels)

    def loss(
        self,
        loss_of: Callable[[Tensor], Tensor],
        mass_of: Callable[[Tensor], float | Tensor],
        labels: Tensor,
    ) -> Tensor:
        """Mean loss of the mixed rows, where `loss_of(labels)` is that of the rows with plain
        labels.
        """
        own, mixed_in = self.share * mass_of(labels), (1 - self.share) * mass_of(self.labels)
        return (own * loss_of(labels) + mixed_in * loss_of(self.labels)) / (own + mixed_in)


def draw_mixture(labels: Tensor, alpha: float, seed: int, epoch: int, step: int) -> Mixture:
    """The mixture of a batch: a permutation of its rows, and the greater of λ and 1 − λ for λ from
    Beta(alpha, alpha).

    Args:
        labels: int64 [n], of the whole batch.
        alpha: of the beta distribution, above 0; the greater, the nearer shares are to 1/2.
        seed, epoch, step: decide what is drawn.
    """
    random = np.random.default_rng([_STREAM, seed, epoch, step])
    share = float(random.beta(alpha, alpha))
    partner = on_device(random.permutation(len(labels)), labels.device)
    return Mixture(partner, max(share, 1 - share), labels[partner])
