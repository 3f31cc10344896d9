"""Dropout and stochastic depth that do not depend on how a pass is dealt out to processes.

Every process draws for all rows of the pass, from the same state of the random numbers, and uses
what falls on its own rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fer_core.training.loop.passes import Pass

__all__ = ["WholePassNoise"]


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
