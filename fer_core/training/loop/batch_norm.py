"""Batch normalisation in groups of a fixed size ("ghost" batch norm: Hoffer, Hubara & Soudry,
NeurIPS 2017).

Each group of rows is normalised by its own statistics, so what a row becomes does not depend on how
many rows a device or a micro-batch holds, as long as that is a whole number of groups. Running
statistics take one step a forward pass, towards the mean over its groups: devices that average them
afterwards hold what one device with the whole batch would.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["GroupedBatchNorm"]


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
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`functional.batch_norm` of each group, and one step of the running statistics."""
    groups = list(rows.split(group))
    if len(groups) > 1 and len(groups[-1]) < group:
        groups[-2:] = [torch.cat(groups[-2:])]
    normalised, means, variances = [], [], []
    for part in groups:
        mean, variance = (
            None if known is None else torch.zeros_like(known)
            for known in (running_mean, running_var)
        )
        normalised.append(
            functional.batch_norm(part, mean, variance, weight, bias, training, 1.0, eps)
        )
        means.append(mean)
        variances.append(variance)
    for known, found in ((running_mean, means), (running_var, variances)):
        if known is not None:
            known.lerp_(
                torch.stack([value for value in found if value is not None]).mean(dim=0), momentum
            )
    return torch.cat(normalised)
