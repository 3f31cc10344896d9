"""Networks whose batch norms are not the identity, as if they had learned."""

import torch
from torch import nn

from fer_core.models.networks.backbone import build_classifier

__all__ = ["learned"]


def learned(arch: str, size: int) -> nn.Module:
    """A classifier with random weights and norms, in evaluation mode; the same at each call."""
    torch.manual_seed(0)
    network = build_classifier(arch, size)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, least in ((norm.weight, 0.5), (norm.bias, -0.5), (norm.running_var, 0.5)):
                assert values is not None
                values.data = torch.rand(values.shape) + least
    return network.eval()
