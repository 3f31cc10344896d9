"""The saved model: `model.safetensors` and `model.json`, written by every training stage, read by
every later one.

No pickle, no times and no speeds: the same run gives the same bytes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fer_core.base.artifact import new_artifact, write_values
from fer_core.base.errors import ModelError, WriteError
from fer_core.base.files import sha256_file
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.card import CARD_FILE, WEIGHTS_FILE, ModelCard, header_of, read_card

__all__ = ["build_network", "load_model", "save_model", "write_weights"]


def build_network(card: ModelCard) -> nn.Module:
    """The network a card describes, with random weights; called with normalised images it returns
    logits [N, 7].
    """
    if card.head == "linear":
        return build_classifier(card.arch, card.preprocessing.size)
    if (
        card.embed_dim is None
        or card.dropout is None
        or (card.scale is None) != (card.head == "plain")
    ):
        raise ModelError(
            "A teacher's head needs embed_dim and dropout, and an ArcFace head scale too.",
            where=card.arch,
        )
    return ArcFaceNetwork(
        card.arch, card.preprocessing.size, card.embed_dim, card.dropout, card.scale
    )


def save_model(folder: Path, network: nn.Module, card: ModelCard) -> ModelCard:
    """Write a network's weights and its card in one step.

    Returns:
        The card with `weights_sha256` filled in.

    Raises:
        ModelError: the disk is full or not writable; nothing is left behind.
    """
    try:
        with new_artifact(folder, header_of(card)) as temporary:
            write_weights(temporary / WEIGHTS_FILE, network.state_dict())
            card = replace(card, weights_sha256=sha256_file(temporary / WEIGHTS_FILE))
            write_values(temporary / CARD_FILE, card)
    except WriteError as error:
        raise ModelError(
            "The model could not be saved.",
            where=folder,
            found=error.found,
            remedy="free disk space, then run again: training is not repeated",
        ) from error
    return card


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """Read a saved model, in evaluation mode on the CPU.

    Raises:
        ArtifactError: a file is missing, damaged, of another schema or class order, or the weights
            are not the card's.
        ModelError: the weights do not fit the network.
    """
    card = read_card(folder)
    network = build_network(card)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            "The weights do not fit the network.", where=folder, found=error
        ) from error
    return network.eval(), card


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a network's state to a file.

    Args:
        path: of the file, in a folder that is there.
        weights: on any device.

    Raises:
        WriteError: the disk is full or not writable.
    """
    try:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, path
        )
    except SafetensorError as error:
        raise WriteError(
            "The weights could not be written.",
            where=path,
            found=error,
            remedy="free disk space, then run again",
        ) from error
