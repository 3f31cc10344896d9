"""Channels last, but where oneDNN's backward pass would end the process."""

from itertools import product

import pytest
import torch
from torch import nn

from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.layout import to_channels_last

CPU = torch.device("cpu")


def images(channels: int) -> torch.Tensor:
    found = torch.rand(4, channels, 16, 16, generator=torch.Generator().manual_seed(channels))
    return found.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("channels", "kernel", "stride"), [*product((1, 3, 7, 8, 24), (1,), (1, 2, 4)), (3, 3, 2)]
)
def test_gradients_of_every_layer_are_those_of_double_precision(
    channels: int, kernel: int, stride: int
) -> None:
    torch.manual_seed(0)
    exact = nn.Conv2d(channels, 16, kernel, stride).double()
    layer = nn.Conv2d(channels, 16, kernel, stride)
    layer.load_state_dict(exact.state_dict())
    layer = to_channels_last(to_channels_last(layer, CPU), CPU)
    found, expected = images(channels).requires_grad_(), images(channels).double().requires_grad_()
    layer(found).square().sum().backward()
    exact(expected).square().sum().backward()
    for ours, theirs in ((found, expected), *zip(layer.parameters(), exact.parameters())):
        torch.testing.assert_close(ours.grad, theirs.grad.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ["repvgg_a0", "mobileone_s0", "fastvit_t8"])
def test_networks_that_begin_by_skipping_pixels_can_learn(arch: str) -> None:
    network = to_channels_last(build_classifier(arch, 64).train(), CPU)
    network(torch.rand(4, 3, 64, 64).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert all(torch.isfinite(one.grad).all() for one in network.parameters() if one.requires_grad)


def test_all_other_weights_have_channels_last() -> None:
    network = to_channels_last(build_classifier("resnet9_w8", 48), CPU)
    for weights in network.parameters():
        if weights.dim() == 4:
            assert weights.is_contiguous(memory_format=torch.channels_last)
