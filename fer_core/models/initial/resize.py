"""Weights of a network for another image size: what depends on the size, such as position
embeddings, resampled as timm does it.
"""

import sys
from collections.abc import Mapping

from torch import Tensor, nn

from fer_core.base.errors import ModelError

__all__ = ["load_resized", "resampled"]


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
