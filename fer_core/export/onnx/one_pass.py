"""A network that answers for mirror images as one pass over both."""

import torch
from torch import Tensor, nn

from fer_core.base.labels import N_CLASSES
from fer_core.models.networks.mirrored import Mirrored

__all__ = ["OnePass"]


class OnePass(nn.Module):
    """What `Mirrored` answers, with faces and mirror images as one batch of twice as many.

    The graph has each layer once. So torch's exporter folds batch norms, which it does not where
    two convolutions share weights, and every convolution can be computed in 8 bits.
    """

    columns: Tensor

    def __init__(self, mirrored: Mirrored) -> None:
        super().__init__()
        self.network = mirrored.network
        self.register_buffer("columns", mirrored.columns, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, 7] of images [N, 3, size, size]."""
        mirror = torch.index_select(images, 3, self.columns)
        both = self.network(torch.cat([images, mirror]))
        return both.reshape(2, -1, N_CLASSES).mean(dim=0)
