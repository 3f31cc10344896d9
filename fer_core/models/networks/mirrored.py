"""A network that answers for a face and its mirror image, averaged: the classic flip averaging, as
one network that can be measured and exported as such.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model

__all__ = ["Mirrored", "load_answering"]


class Mirrored(nn.Module):
    """The mean of a network's logits for images and for their mirror images.

    The mirror is a lookup of columns and not `flip`, which is exported as a slice with a negative
    step that not every reader of ONNX knows.

    Args:
        network: in evaluation mode.
        size: side of the images.
    """

    columns: Tensor

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("columns", torch.arange(size - 1, -1, -1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes] of images [N, 3, size, size]."""
        mirror = torch.index_select(images, 3, self.columns)
        return (self.network(images) + self.network(mirror)) / 2


def load_answering(folder: Path, mirror: bool) -> tuple[nn.Module, ModelCard]:
    """A saved model as it answers, and its card: for mirror images too where `mirror` asks for it.

    Raises:
        ArtifactError, ModelError: as `load_model`.
    """
    network, card = load_model(folder)
    return (Mirrored(network, card.preprocessing.size) if mirror else network), card
