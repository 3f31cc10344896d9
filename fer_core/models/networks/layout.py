"""Order of a network's numbers in memory."""

import torch
from torch import Tensor, nn

__all__ = ["to_channels_last"]

_FEWEST = 8  # channels of a register of AVX2


def to_channels_last(network: nn.Module, device: torch.device) -> nn.Module:
    """The same network on a device, its weights with channels last, which is fastest.

    Layers that skip pixels without looking at their neighbours (kernel 1, stride above 1) and see
    fewer than eight channels keep channels first: with channels last and AVX2 oneDNN ends the
    process in their backward pass. RepVGG, MobileOne and FastViT begin with such a layer.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and _skips_pixels(layer):
            # `contiguous` sees no difference where the kernel is 1
            layer.weight.data = layer.weight.data.clone(memory_format=torch.contiguous_format)
            if _with_channels_first not in layer._forward_pre_hooks.values():
                layer.register_forward_pre_hook(_with_channels_first)
    return network


def _skips_pixels(layer: nn.Conv2d) -> bool:
    return (
        layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < _FEWEST
    )


def _with_channels_first(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0].contiguous(),)
