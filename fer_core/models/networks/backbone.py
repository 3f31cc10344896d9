"""Networks by name (timm's, the first blocks of one, ResNet-9) at the project's image size; and
weights made for another size, resampled as timm does it.
"""

import difflib
import sys
from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from fer_core.base.errors import ModelError
from fer_core.base.labels import N_CLASSES
from fer_core.models.networks.first_blocks import FirstBlocks, cut_of
from fer_core.models.networks.resnet9 import ResNet9, width_of

__all__ = [
    "build_classifier",
    "build_trunk",
    "classifier_parameters",
    "load_resized",
    "resampled",
    "size_arguments",
]


def build_classifier(arch: str, size: int) -> nn.Module:
    """A network with seven outputs and random weights from torch's global generator.

    Raises:
        ModelError: there is none of that name, or the network cannot take images of this size.
    """
    return _create(arch, size, N_CLASSES)


def build_trunk(arch: str, size: int) -> nn.Module:
    """The same network without its classifier: images to pooled features [N, num_features]."""
    return _create(arch, size, 0)


def classifier_parameters(arch: str, size: int) -> set[str]:
    """Names of the state entries that only the classifier has."""
    return set(build_classifier(arch, size).state_dict()) - set(
        build_trunk(arch, size).state_dict()
    )


def size_arguments(arch: str, size: int) -> dict[str, Any]:
    """Arguments that tell timm the image size; empty for a network that takes any."""
    config = timm.get_pretrained_cfg(arch)
    return {"img_size": size} if config is not None and config.fixed_input_size else {}


def resampled(weights: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights whose entries of another shape than the network's went through timm's conversion for
    its family of networks.

    Args:
        weights: in timm's names; entries of the network's shapes are left as they are.
        network: a timm network at the size wanted.

    Raises:
        ModelError: timm cannot convert them.
    """
    state = network.state_dict()
    if all(tensor.shape == state[name].shape for name, tensor in weights.items() if name in state):
        return dict(weights)
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return dict(weights)
    try:
        return dict(convert(dict(weights), network))
    except (
        RuntimeError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        TypeError,
    ) as error:
        raise ModelError(
            "These weights cannot be resampled to the network's image size.",
            where=type(network).__name__,
            found=f"{type(error).__name__}: {error}",
        ) from error


def load_resized(weights: Mapping[str, Tensor], network: nn.Module) -> None:
    """Give a timm network the weights of the same network at another image size, whole.

    Raises:
        ModelError: an entry is missing, too many, or of another shape even when resampled.
    """
    try:
        network.load_state_dict(resampled(weights, network))
    except RuntimeError as error:
        raise ModelError(
            "These weights are not of this network at another image size.", found=error
        ) from error


def _create(arch: str, size: int, classes: int) -> nn.Module:
    if (width := width_of(arch)) is not None:
        return ResNet9(width, classes)
    if (cut := cut_of(arch)) is not None:
        return FirstBlocks(cut, classes)
    if not timm.is_model(arch):
        near = ", ".join(difflib.get_close_matches(arch, timm.list_models(), n=3))
        expected = (
            "resnet9_w4 to resnet9_w256, or NAME or NAME_firstN with a NAME of timm.list_models()"
        ) + (f", such as {near}" if near else "")
        raise ModelError(
            "There is no such network.",
            where="arch",
            found=arch,
            expected=expected,
            remedy="correct the name in params.yaml",
        )
    try:
        return timm.create_model(
            arch, pretrained=False, num_classes=classes, **size_arguments(arch, size)
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ModelError(
            "This network cannot be built at this image size.",
            where=f"{arch} at {size} px",
            found=error,
        ) from error
