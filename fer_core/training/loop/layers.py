"""Layers that look at all rows of a pass, and must do the same however the pass is dealt out to
processes: batch normalisation, dropout and stochastic depth.

Batch normalisation works in groups of a fixed size ("ghost" batch norm: Hoffer, Hubara & Soudry,
NeurIPS 2017): each group of rows is normalised by its own statistics, so what a row becomes does
not depend on how many rows a device or a micro-batch holds, as long as that is a whole number of
groups. Running statistics take one step a forward pass, towards the mean over its groups: devices
that average them afterwards hold what one device with the whole batch would. For dropout and
stochastic depth every process draws for all rows of the pass, from the same state of the random
numbers, and uses what falls on its own rows.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from fer_core.models.devices import distributed
from fer_core.training.loop.passes import Pass

__all__ = ["GroupedBatchNorm", "WholePassNoise", "as_one_process", "average_statistics"]


@contextmanager
def as_one_process(current: Pass, group: int) -> Iterator[None]:
    """Context in which layers do for this process's share of a pass what they would do for all of
    it in a single process.

    Args:
        current: the pass.
        group: rows that batch normalisation takes its statistics from; 0 takes all.
    """
    with ExitStack() as stack:
        if group:
            stack.enter_context(GroupedBatchNorm(group))
        if distributed.size() > 1:
            stack.enter_context(WholePassNoise(current))
        yield


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


class GroupedBatchNorm(TorchFunctionMode):
    """Context in which every batch normalisation in training mode works on groups of rows, whatever
    layer asks for it.

    It acts on `torch.nn.functional.batch_norm`, which PyTorch's layers and timm's fused ones all
    end in; networks, their names and their weights stay as they are.

    Args:
        group: rows of a group. What is over joins the last group, and a batch smaller than a group
            is one group.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self._group = group

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm and kwargs.get("training"):
            return _in_groups(self._group, *args, **kwargs)
        return func(*args, **kwargs)


def _in_groups(
    group: int,
    rows: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    **how: Any,
) -> Tensor:
    """`functional.batch_norm` of each group, and one step of the running statistics."""
    groups = list(rows.split(group))
    if len(groups) > 1 and len(groups[-1]) < group:
        groups[-2:] = [torch.cat(groups[-2:])]
    momentum = how.pop("momentum")
    normalised, means, variances = [], [], []
    for part in groups:
        mean, variance = (
            None if known is None else torch.zeros_like(known)
            for known in (running_mean, running_var)
        )
        normalised.append(functional.batch_norm(part, mean, variance, momentum=1.0, **how))
        means.append(mean)
        variances.append(variance)
    for known, found in ((running_mean, means), (running_var, variances)):
        if known is not None:
            known.lerp_(
                torch.stack([value for value in found if value is not None]).mean(dim=0), momentum
            )
    return torch.cat(normalised)


class WholePassNoise(TorchFunctionMode):
    """Context in which a process's rows meet the noise that they would meet in a single process.

    It acts on `torch.nn.functional.dropout`, and on `Tensor.bernoulli_`, which timm's stochastic
    depth draws with. What is drawn in a shape whose first axis is not rows is the same in every
    process anyway.

    Args:
        current: the pass.
    """

    def __init__(self, current: Pass) -> None:
        super().__init__()
        self._rows, self._own, self._offset = (
            current.part.stop - current.part.start,
            current.own.stop - current.own.start,
            current.offset,
        )

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self._dropout(*args, **kwargs)
        if func is Tensor.bernoulli_:
            return self._bernoulli(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(
        self, values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or not p or not self._by_row(values):
            return functional.dropout(values, p, training, inplace)
        return values * self._part(functional.dropout(self._whole(values).fill_(1), p), values)

    def _bernoulli(
        self, values: Tensor, p: Any = 0.5, *, generator: torch.Generator | None = None
    ) -> Tensor:
        if isinstance(p, Tensor) or not self._by_row(values):
            return values.bernoulli_(p, generator=generator)
        return values.copy_(
            self._part(self._whole(values).bernoulli_(p, generator=generator), values)
        )

    def _by_row(self, values: Tensor) -> bool:
        """Whether the first axis is rows, or rows and something within each."""
        return bool(values.dim()) and not values.shape[0] % self._own

    def _whole(self, values: Tensor) -> Tensor:
        """Room for the same values of all rows, in the same order in memory, which is that of the
        random numbers.
        """
        last = (
            values.dim() == 4
            and not values.is_contiguous()
            and values.is_contiguous(memory_format=torch.channels_last)
        )
        return torch.empty(
            (values.shape[0] // self._own * self._rows, *values.shape[1:]),
            dtype=values.dtype,
            device=values.device,
            memory_format=torch.channels_last if last else torch.contiguous_format,
        )

    def _part(self, whole: Tensor, values: Tensor) -> Tensor:
        start = values.shape[0] // self._own * self._offset
        return whole[start : start + values.shape[0]]
