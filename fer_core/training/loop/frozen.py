"""Fine-tuning a part of a network: the rest keeps its weights, and its batch normalisation the
statistics that it came with.
"""

from typing import Any

from torch import nn

from fer_core.base.errors import TrainingError
from fer_core.models.networks.arcface import ArcFaceNetwork

__all__ = ["freeze", "hold_frozen", "trainable_names"]


def freeze(network: nn.Module, part: str) -> None:
    """Let only a part of a network learn.

    Args:
        network: a student, or a teacher.
        part: "all", "head", "norms", "affine" or "last", as `TrainOptions.trainable`.

    Raises:
        TrainingError: the network has no such part.
    """
    if part == "all":
        return
    chosen = trainable_names(network, part)
    if not chosen or (part != "head" and chosen == trainable_names(network, "head")):
        raise TrainingError(
            "The network has no such part to train.",
            where="train.trainable",
            found=f"{part} of {type(network).__name__}",
            remedy="set trainable: all or head",
        )
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)


def hold_frozen(network: nn.Module, part: str) -> None:
    """Put modules whose own parameters are all frozen into evaluation mode, so that their running
    statistics stay; to be called after `network.train()`. With "affine" those of all
    normalisation stay.
    """
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        frozen = own and not any(parameter.requires_grad for parameter in own)
        if frozen or (part == "affine" and _is_norm(module)):
            module.train(False)


def trainable_names(network: nn.Module, part: str) -> set[str]:
    """Names of the parameters of a part; that of the head belongs to every part but "affine"."""
    names = [name for name, _ in network.named_parameters()]
    head = _head(network, names)
    if part in ("norms", "affine"):
        affine = {
            f"{prefix}.{name}"
            for prefix, module in network.named_modules()
            if _is_norm(module)
            for name, _ in module.named_parameters(recurse=False)
        }
        return affine if part == "affine" else head | affine
    if part == "last":
        return head | _last_block(network, names)
    return head


def _head(network: nn.Module, names: list[str]) -> set[str]:
    """A teacher's embedding and heads, or a student's classifier."""
    if isinstance(network, ArcFaceNetwork):
        return {name for name in names if not name.startswith("trunk.")}
    classifier: Any = network.get_classifier()  # type: ignore[operator]
    own = {id(parameter) for parameter in classifier.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in own}


def _last_block(network: nn.Module, names: list[str]) -> set[str]:
    """The last block of the last stage, and whatever follows it."""
    prefix, module = "", network
    if isinstance(network, ArcFaceNetwork):
        prefix, module = "trunk.", network.trunk
    whole = prefix
    while children := [
        (name, child)
        for name, child in module.named_children()
        if list(child.parameters()) and (_is_row(module) or _is_row(child))
    ]:
        name, module = children[-1]
        prefix += f"{name}."
        if not _is_row(module):
            break
    inside = [place for place, name in enumerate(names) if name.startswith(prefix)]
    return set(names[inside[0] :]) if prefix != whole else set()


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower()


def _is_row(module: nn.Module) -> bool:
    """Whether a module is nothing but others, one after the other."""
    return isinstance(module, nn.Sequential | nn.ModuleList)
