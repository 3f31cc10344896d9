"""How a batch is worked through: in passes that follow each other, and each pass by all processes
of a group at once.

A pass is dealt out in whole groups of batch normalisation, so a row meets the same statistics
whatever the number of processes. Mixup (Zhang et al., "mixup: Beyond Empirical Risk Minimization",
ICLR 2018) blends images and losses of two rows by one share; what is mixed with what is a pure
function of (seed, epoch, step), so that an interrupted run repeats an uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fer_core.base.errors import TrainingError
from fer_core.images.memory import on_device
from fer_core.models.devices import distributed
from fer_core.training.loop.options import TrainOptions

__all__ = [
    "Batch",
    "Mixture",
    "Pass",
    "check_feasible",
    "check_split",
    "draw_mixture",
    "micro_batches",
    "passes",
]

LossOf = Callable[[Tensor, np.ndarray], Tensor]
"""Mean loss of images, given the labels and the numbers of the rows that they are of."""

_STREAM = 0x6D6978  # keeps these numbers apart from those that shuffle the rows


@dataclass(frozen=True)
class Mixture:
    """A partner for every row of a batch.

    Attributes:
        partner: int64 [n], place in the batch of the row that is mixed in.
        share: of the row itself, in [1/2, 1].
        labels: int64 [n], the partners' classes.
        rows: int64 [n], the partners' row numbers.
    """

    partner: Tensor
    share: float
    labels: Tensor
    rows: np.ndarray

    def images(self, own: Tensor, mixed_in: Tensor) -> Tensor:
        """Images of the rows, each blended with its partner's."""
        return self.share * own + (1 - self.share) * mixed_in

    def part(self, places: slice) -> "Mixture":
        """The mixture of some rows of the batch."""
        return Mixture(self.partner[places], self.share, self.labels[places], self.rows[places])

    def mass(self, mass_of: Callable[[Tensor], float | Tensor], labels: Tensor) -> float | Tensor:
        """What the mean loss of the mixed rows divides by, where `mass_of(labels)` is what that of
        plain rows does.
        """
        return self.share * mass_of(labels) + (1 - self.share) * mass_of(self.labels)

    def loss(
        self,
        loss_of: LossOf,
        mass_of: Callable[[Tensor], float | Tensor],
        labels: Tensor,
        rows: np.ndarray,
    ) -> Tensor:
        """Mean loss of the mixed rows, where `loss_of(labels, rows)` is that of images with the
        plain labels (and whatever else is known) of some rows.
        """
        own, mixed_in = self.share * mass_of(labels), (1 - self.share) * mass_of(self.labels)
        return (own * loss_of(labels, rows) + mixed_in * loss_of(self.labels, self.rows)) / (
            own + mixed_in
        )


@dataclass(frozen=True)
class Batch:
    """Rows that a loss is the mean of: those of an optimiser step, or of one of its passes.

    Attributes:
        rows: row numbers, int64 [n].
        labels: int64 [n].
        epoch, step: counted from 0; the step within the epoch.
        mixture: what images and labels are mixed with; None where they are not.
    """

    rows: np.ndarray
    labels: Tensor
    epoch: int
    step: int
    mixture: Mixture | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, places: slice) -> "Batch":
        """Some of the rows."""
        mixture = None if self.mixture is None else self.mixture.part(places)
        return Batch(self.rows[places], self.labels[places], self.epoch, self.step, mixture)

    def mean_loss(self, loss_of: LossOf, mass_of: Callable[[Tensor], float | Tensor]) -> Tensor:
        """Mean loss, where `loss_of(labels, rows)` is that of images with the labels of these rows,
        and a mean over rows divides by `mass_of(labels)`.
        """
        if self.mixture is None:
            return loss_of(self.labels, self.rows)
        return self.mixture.loss(loss_of, mass_of, self.labels, self.rows)

    def mass(self, mass_of: Callable[[Tensor], float | Tensor]) -> float | Tensor:
        """What the mean loss divides by."""
        mixed = self.mixture
        return mass_of(self.labels) if mixed is None else mixed.mass(mass_of, self.labels)


def draw_mixture(
    rows: np.ndarray, labels: Tensor, alpha: float, seed: int, epoch: int, step: int
) -> Mixture:
    """The mixture of a batch: a permutation of its rows, and the greater of λ and 1 − λ for λ from
    Beta(alpha, alpha).

    Args:
        rows: row numbers of the whole batch, int64 [n].
        labels: of them, int64 [n].
        alpha: of the beta distribution, above 0; the greater, the nearer shares are to 1/2.
        seed, epoch, step: decide what is drawn.
    """
    random = np.random.default_rng([_STREAM, seed, epoch, step])
    share = float(random.beta(alpha, alpha))
    order = random.permutation(len(labels))
    partner = on_device(order, labels.device)
    return Mixture(partner, max(share, 1 - share), labels[partner], rows[order])


@dataclass(frozen=True)
class Pass:
    """Rows of a batch that go through the network at once.

    Attributes:
        part: places of all of them in the batch.
        own: places of those that go through this process; where a short pass leaves it none, those
            of the first group, which count for nothing and keep its gradients and random numbers in
            step.
        counts: rows of each process, which follow each other.
        weight: share of the pass's groups that are this process's.
    """

    part: slice
    own: slice
    counts: tuple[int, ...]
    weight: float

    @property
    def offset(self) -> int:
        """First own row, counted from the pass's first."""
        return self.own.start - self.part.start


def passes(rows: int, micro_batch: int, group: int) -> list[Pass]:
    """The passes of a batch.

    Args:
        rows: of the batch.
        micro_batch: rows of a pass.
        group: rows of a group of batch normalisation; 0 if rows know nothing of each other.
    """
    return [_pass(part, max(1, group)) for part in micro_batches(rows, micro_batch)]


def _pass(part: slice, group: int) -> Pass:
    rows = part.stop - part.start
    starts = range(
        0, max(1, rows // group) * group, group
    )  # what is over belongs to the last group, as in batch normalisation
    shares = distributed.deal(starts, rows)
    counts = tuple(share.stop - share.start for share in shares)
    own = shares[distributed.rank()]
    weight = len([start for start in starts if own.start <= start < own.stop]) / len(starts)
    if not weight:
        own = slice(0, min(rows, group))
    return Pass(part, slice(part.start + own.start, part.start + own.stop), counts, weight)


def micro_batches(rows: int, size: int) -> list[slice]:
    """A batch in parts of `size` rows; a last part of one row, which has no batch statistics, is
    joined to the one before it.
    """
    starts = list(range(0, rows, size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], rows], strict=True)]


def check_feasible(network: nn.Module, options: TrainOptions, mixable: bool) -> None:
    """What can be refused before an image is decoded.

    Args:
        network: to be trained.
        options: of the training.
        mixable: whether the task's images may be mixed.

    Raises:
        TrainingError: mixup where it may not be, or batches that do not go into the processes.
    """
    if options.mixup and not mixable:
        raise TrainingError(
            "Mixup needs a loss of labels alone: stored targets are of plain images, and further "
            "terms know one label a row.",
            where="train.mixup",
            found=options.mixup,
            remedy="set mixup: 0, or train methods without targets and without further terms",
        )
    check_split(network, options)


def check_split(network: nn.Module, options: TrainOptions) -> None:
    """See that the passes can be dealt out to the processes of the group without changing the
    result.

    Raises:
        TrainingError: batch normalisation without groups, or groups that do not go into the
            processes; too small a pass.
    """
    count, group, rows = distributed.size(), options.batch_norm_group, options.micro_batch
    if count == 1:
        return
    where = f"{count} processes, {rows} rows a pass (batch / accumulation)"
    if not group and any(isinstance(layer, _BatchNorm) for layer in network.modules()):
        raise TrainingError(
            "Batch normalisation over a whole pass cannot be spread over processes.",
            where=where,
            found="batch_norm_group: 0",
            expected="groups of a fixed size, each in one process",
            remedy=f"set train.batch_norm_group to {_divisors(rows // count)[1:]} (another "
            "experiment), or FER_PROCESSES=1"
            if rows % count == 0 and rows > count
            else f"FER_PROCESSES=1, or a batch that {2 * count} goes into, in groups (another "
            "experiment)",
        )
    groups = rows // max(1, group)
    if groups < count or (group and groups % count):
        raise TrainingError(
            "The rows of a pass do not go into the processes.",
            where=where,
            found=f"{groups} groups of batch_norm_group: {group}" if group else f"{groups} rows",
            expected="as many groups in each process" if group else "a row for each process",
            remedy=f"use one of {_divisors(groups)} processes, or change batch, accumulation or "
            "batch_norm_group (another experiment)",
        )


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]
