"""ResNet-9, a small dense network for small faces: 3 x 3 convolutions on the whole image, which a
CPU works through three to four times as fast as depthwise ones of the same arithmetic.

The network of Page, "How to Train Your ResNet", 2018 (DAWNBench), at any width W: a stem of W
channels, three stages of 2 W, 4 W and 8 W that each halve the image, and a residual block of two
convolutions in the first and the last of them; then the mean over the image, and one linear layer.
Named like timm's networks, and with as much of their interface as is used here.
"""

import re

from torch import Tensor, nn

from fer_core.base.labels import N_CLASSES

__all__ = ["ResNet9", "width_of"]

_NAME = re.compile(r"resnet9_w(\d+)")
_WIDTHS = range(4, 257)


def width_of(arch: str) -> int | None:
    """Width that the name of an architecture gives (`resnet9_w32`); None for another network, or a
    width outside 4 to 256.
    """
    found = _NAME.fullmatch(arch)
    return int(found[1]) if found and int(found[1]) in _WIDTHS else None


class ResNet9(nn.Module):
    """Images [N, 3, side, side] to logits [N, classes], or to features [N, 8 width] without
    classes; the side is at least 16 pixels.

    Args:
        width: channels of the stem.
        classes: outputs; 0 leaves the classifier out.
    """

    def __init__(self, width: int, classes: int = N_CLASSES) -> None:
        super().__init__()
        self.num_features = 8 * width
        self.stem = _convolution(3, width)
        self.stages = nn.Sequential(
            _stage(width, 2 * width, residual=True),
            _stage(2 * width, 4 * width, residual=False),
            _stage(4 * width, 8 * width, residual=True),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(self.num_features, classes) if classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits, or features."""
        return self.fc(self.pool(self.stages(self.stem(images))).flatten(1))

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(width, width), _convolution(width, width))

    def forward(self, values: Tensor) -> Tensor:
        return values + self.body(values)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _stage(inputs: int, outputs: int, residual: bool) -> nn.Sequential:
    layers: list[nn.Module] = [_convolution(inputs, outputs), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, *([_Residual(outputs)] if residual else []))
