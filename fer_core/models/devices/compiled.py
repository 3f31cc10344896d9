"""Networks compiled by torch (`torch.compile`), where the machine's settings ask for it: faster on
a GPU, after a minute of compiling.

Names and values of the weights stay as they are, for a network is compiled in place; only its
forward pass changes, by rounding.
"""

import logging

from torch import nn

from fer_core.models.devices import distributed
from fer_core.models.networks.arcface import ArcFaceNetwork

__all__ = ["compile_for_training", "compile_network"]

log = logging.getLogger(__name__)


def compile_network(network: nn.Module) -> None:
    """Have a network compiled when it is first called; of a teacher the trunk, which is where the
    time goes.

    Each batch size is compiled for itself: there are two or three, and code for all sizes at once
    is slower.
    """
    (network.trunk if isinstance(network, ArcFaceNetwork) else network).compile(dynamic=False)


def compile_for_training(network: nn.Module, batch_norm_group: int) -> bool:
    """Have a network compiled for training, unless something acts on its layers while they run,
    which compiled code has none of.

    Args:
        network: to be trained.
        batch_norm_group: of the training's options.

    Returns:
        Whether it will be compiled; if not, a warning says why.
    """
    reasons = {
        "batch_norm_group works on groups of rows within the layers": batch_norm_group > 0,
        "the stage is spread over several processes": distributed.size() > 1,
        "a further term of the loss takes features from within the network": any(
            layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules()
        ),
    }
    if found := [reason for reason, holds in reasons.items() if holds]:
        log.warning("the setting compile is ignored in this training: %s", "; ".join(found))
        return False
    compile_network(network)
    return True
