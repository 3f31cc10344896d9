"""Memory that a training takes, known before it starts: weights, gradients, the optimiser's state,
and what a batch's forward pass keeps for the backward pass.

The pass is traced with shapes alone (torch's "meta" device): nothing is computed, and no random
number is drawn.
"""

import copy
import logging
import re

import torch
from torch import Tensor, nn

from fer_core.base.errors import ModelError
from fer_core.base.machine import available_memory
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.training.loop.options import TrainOptions

__all__ = ["SHAPE_ERRORS", "check_memory", "size_refusal", "training_bytes"]

log = logging.getLogger(__name__)

SHAPE_ERRORS = (RuntimeError, AssertionError, ValueError)
"""What a network raises in a pass of shapes; NotImplementedError is a RuntimeError."""

_OF_SHAPES = re.compile(r"\bmeta\b")  # torch names its device of shapes so
_TRACED = 2  # images; what is kept grows with their number
_FLOAT, _HALF = 4, 2


def training_bytes(network: nn.Module, size: int, options: TrainOptions) -> float:
    """Bytes that training a network takes on its device, without the images that lie there.

    Args:
        network: as it is trained; it stays as it is.
        size: side of its images in pixels.
        options: of the training.
    """
    traced = copy.deepcopy(network).to("meta").train()
    weights = list(traced.parameters())
    own = {weight.untyped_storage()._cdata for weight in weights}
    kept: dict[int, torch.UntypedStorage] = {}  # holding them keeps their addresses apart

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    forward = traced.embed if isinstance(traced, ArcFaceNetwork) else traced  # its heads are small
    images = torch.zeros(_TRACED, 3, size, size, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward(images)
    activations = sum(storage.nbytes() for storage in kept.values()) / _TRACED
    if options.precision != "fp32":
        activations *= _HALF / _FLOAT
    learns = sum(weight.numel() for weight in weights if weight.requires_grad)
    states = 2 if options.optimizer == "adamw" else 1
    copies = sum(weight.numel() for weight in weights) * (2 if options.ema else 1)
    return _FLOAT * (copies + learns * (1 + states)) + activations * options.micro_batch


def size_refusal(error: Exception) -> str | None:
    """Why a network refused a pass of shapes; None where it is the pass that cannot do what the
    network asks, such as a value where there are shapes alone: then nothing is known.
    """
    fault = str(error).partition("\n")[0]
    return None if isinstance(error, NotImplementedError) or _OF_SHAPES.search(fault) else fault


def check_memory(
    network: nn.Module, size: int, options: TrainOptions, device: torch.device
) -> None:
    """Refuse a training for which there is not enough memory, before it has read a picture.

    Raises:
        ModelError: there is not; says how many parts of a batch would fit. Or the network takes no
            images of this size.
    """
    try:
        least = training_bytes(network, size, options)
    except SHAPE_ERRORS as error:
        if (fault := size_refusal(error)) is None:
            log.warning("what memory this training takes is not known: %s", error)
            return
        raise ModelError(
            "This network takes no images of this size.",
            where="preprocessing.size",
            found=f"{size} px: {fault}",
            remedy="another size, such as a multiple of 32; `fer run` tells before it starts",
        ) from error
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()
    if least <= free:
        return
    parts = (
        count
        for count in range(options.accumulation + 1, options.batch // 2 + 1)
        if options.batch % count == 0
        and training_bytes(network, size, options.model_copy(update={"accumulation": count}))
        <= free
    )
    remedy = "a smaller network, or a smaller preprocessing.size"
    if (count := next(parts, None)) is not None:
        remedy = f"train.accumulation: {count} (the batch stays), or {remedy}"
    raise ModelError(
        "This training does not fit into memory.",
        where=str(device),
        found=f"about {least / 1e9:.1f} GB for {options.micro_batch} images of {size} px at a time",
        expected=f"at most {free / 1e9:.1f} GB, which is free now",
        remedy=remedy,
    )
