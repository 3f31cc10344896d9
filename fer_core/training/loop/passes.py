"""How a batch is worked through: in passes that follow each other, and each pass by all processes
of a group at once.

A pass is dealt out in whole groups of batch normalisation, so a row meets the same statistics
whatever the number of processes.
"""

from dataclasses import dataclass

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fer_core.base.errors import TrainingError
from fer_core.models.devices import distributed
from fer_core.training.loop.options import TrainOptions

__all__ = ["Pass", "average_statistics", "check_split", "micro_batches", "own_places", "passes"]


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


def average_statistics(network: nn.Module, weight: float) -> None:
    """Make the running statistics of batch normalisation the mean over all groups of a pass, as in
    a single process.

    They took one step towards the mean over a process's own groups, and the step is linear in that
    mean.

    Args:
        network: after a pass.
        weight: share of the pass's groups that were this process's.
    """
    if distributed.size() == 1:
        return
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    statistics = [
        value
        for layer in layers
        for value in (layer.running_mean, layer.running_var)
        if value is not None
    ]
    for value in statistics:
        value.mul_(weight)
    distributed.sum_over_ranks(statistics)


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


def own_places(parts: list[Pass]) -> np.ndarray:
    """Places in the batch of all rows that go through this process, in order."""
    return np.concatenate([np.arange(part.own.start, part.own.stop) for part in parts])
