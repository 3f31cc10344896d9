"""timm networks by name, at the project's image size."""

import difflib
from typing import Any

import timm
from torch import nn

from fer_core.base.errors import ModelError
from fer_core.base.labels import N_CLASSES

__all__ = ["build_classifier", "build_trunk", "classifier_parameters", "size_arguments"]


def build_classifier(arch: str, size: int) -> nn.Module:
    """A timm network with seven outputs and random weights from torch's global generator.

    Raises:
        ModelError: timm does not know the name, or the network cannot take images of this size.
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
    """What timm must be told of the image size: nothing for a network that takes any."""
    config = timm.get_pretrained_cfg(arch)
    return {"img_size": size} if config is not None and config.fixed_input_size else {}


def _create(arch: str, size: int, classes: int) -> nn.Module:
    if not timm.is_model(arch):
        near = ", ".join(difflib.get_close_matches(arch, timm.list_models(), n=3))
        expected = "a name of timm.list_models()" + (f", such as {near}" if near else "")
        raise ModelError(
            "timm knows no such network.",
            where="arch",
            found=arch,
            expected=expected,
            remedy="mend the name in params.yaml",
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
