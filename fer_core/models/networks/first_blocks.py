"""The first blocks of a timm network, for a small network that starts from pretrained weights.

Most weights of a mobile network lie in its last blocks. Without these the files are small, and the
rest keeps its pretrained start.
Named like timm's networks, and with as much of their interface as is used here.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import timm
import torch
from torch import Tensor, nn

from fer_core.base.errors import ModelError

__all__ = ["Cut", "FirstBlocks", "cut_of"]

_NAME = re.compile(r"(\w+)_first(\d+)")


class Cut(NamedTuple):
    """What a name such as `tf_efficientnet_lite0_first12` says: the whole network, and how many of
    its blocks are kept.
    """

    whole: str
    blocks: int


def cut_of(arch: str) -> Cut | None:
    """The cut that the name of an architecture says; None for any other network."""
    found = _NAME.fullmatch(arch)
    return Cut(found[1], int(found[2])) if found and timm.is_model(found[1]) else None


class FirstBlocks(nn.Module):
    """Images [N, 3, side, side] to logits [N, classes], or to features [N, width of the last block]
    without classes: stem and first blocks, the mean over the image, and one linear layer.

    Args:
        cut: a timm network with `conv_stem`, `bn1` and stages of `blocks`, such as EfficientNet's
            and MobileNet's, and the number of blocks.
        classes: outputs; 0 leaves the classifier out.

    Raises:
        ModelError: the network is laid out otherwise, or has fewer blocks.
    """

    def __init__(self, cut: Cut, classes: int) -> None:
        super().__init__()
        whole: nn.Module = timm.create_model(cut.whole, pretrained=False, num_classes=0)
        if not all(hasattr(whole, name) for name in ("conv_stem", "bn1", "blocks")):
            raise ModelError(
                "This kind of network cannot be cut after a block.",
                where="arch",
                found=f"{cut.whole}_first{cut.blocks}",
                expected="a network of inverted-residual blocks, such as tf_efficientnet_lite0",
                remedy="name another network, or the whole one",
            )
        stages = [list(stage.children()) for stage in whole.get_submodule("blocks").children()]
        count = sum(map(len, stages))
        if not 1 <= cut.blocks <= count:
            raise ModelError(
                "The network cannot be cut after this number of blocks.",
                where="arch",
                found=f"{cut.whole}_first{cut.blocks}",
                expected=f"{cut.whole}_first1 to {cut.whole}_first{count}",
                remedy="correct the name in params.yaml",
            )
        self.conv_stem, self.bn1 = map(whole.get_submodule, ("conv_stem", "bn1"))
        self.blocks = nn.Sequential(*_first(stages, cut.blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier: nn.Module = nn.Identity()
        with torch.inference_mode():
            self.num_features = self.eval()(torch.zeros(1, 3, 32, 32)).shape[1]
        self.train()
        if classes:
            self.classifier = nn.Linear(self.num_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, or features."""
        values = self.blocks(self.bn1(self.conv_stem(images)))
        return self.classifier(self.pool(values).flatten(1))

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.classifier


def _first(stages: Iterable[Iterable[nn.Module]], count: int) -> Iterator[nn.Sequential]:
    """The stages as far as the block of that number; names of their weights stay."""
    for stage in stages:
        blocks = list(stage)[: max(0, count)]
        count -= len(blocks)
        if blocks:
            yield nn.Sequential(*blocks)
