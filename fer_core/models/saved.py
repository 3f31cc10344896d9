"""The saved model: `model.safetensors` and `model.json`, written by every training stage, read by every later one.

No pickle, no times and no speeds: the same run gives the same bytes.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from fer_core.data.preprocessing import Preprocessing
from fer_core.errors import ArtifactError, ModelError
from fer_core.files import new_folder, read_json, sha256_file, write_json
from fer_core.labels import CLASSES, check_class_order
from fer_core.models.arcface import ArcFaceNetwork
from fer_core.models.backbone import build_classifier

__all__ = ["ModelCard", "build_network", "load_model", "model_sha256", "save_model"]

_SCHEMA = 1


@dataclass(frozen=True)
class ModelCard:
    """What a saved model is and what it was made from.

    Attributes:
        kind: "teacher" or "student".
        arch: timm name.
        head: "arcface" or "linear".
        embed_dim, dropout, scale: of an ArcFace head; None with a linear one.
        preprocessing: what the network's input must have gone through.
        rows_sha256: hash of the training pack's `rows.parquet`.
        init_sha256: hash of the initial weights.
        targets_sha256: hash of the soft labels; None when trained on labels alone.
        selected_epoch: epoch whose weights these are, counted from 0.
        budget: what must be equal for a fair comparison: optimiser steps, batch, initial weights, rows, views.
        params: effective parameters of the run.
        weights_sha256: hash of `model.safetensors`; filled in by `save_model`.
    """

    kind: Literal["teacher", "student"]
    arch: str
    head: Literal["arcface", "linear"]
    embed_dim: int | None
    dropout: float | None
    scale: float | None
    preprocessing: Preprocessing
    rows_sha256: str
    init_sha256: str
    targets_sha256: str | None
    selected_epoch: int
    budget: dict[str, Any]
    params: dict[str, Any]
    weights_sha256: str = ""


def build_network(card: ModelCard) -> nn.Module:
    """The network a card describes, with random weights; called with normalised images it returns logits [N, 7]."""
    if card.head == "linear":
        return build_classifier(card.arch, card.preprocessing.size)
    if card.embed_dim is None or card.dropout is None or card.scale is None:
        raise ModelError("An ArcFace head needs embed_dim, dropout and scale.", where=card.arch)
    return ArcFaceNetwork(card.arch, card.preprocessing.size, card.embed_dim, card.dropout, card.scale)


def save_model(folder: Path, network: nn.Module, card: ModelCard) -> ModelCard:
    """Write a network's weights and its card in one step.

    Returns:
        The card with `weights_sha256` filled in.
    """
    with new_folder(folder) as temporary:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(weights, temporary / "model.safetensors")
        card = replace(card, weights_sha256=sha256_file(temporary / "model.safetensors"))
        values = asdict(card) | {"preprocessing": card.preprocessing.to_dict()}
        write_json(
            temporary / "model.json",
            {"schema": _SCHEMA, "classes": list(CLASSES), "preprocessing_hash": card.preprocessing.hash()} | values,
        )
    return card


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """Read a saved model, in evaluation mode on the CPU.

    Raises:
        ArtifactError: a file is missing, damaged, of another schema or class order, or the weights are not the card's.
        ModelError: the weights do not fit the network.
    """
    values = read_json(folder / "model.json")
    if not isinstance(values, dict) or values.pop("schema", None) != _SCHEMA:
        raise ArtifactError("This model is of another schema.", where=folder / "model.json", expected=_SCHEMA, remedy="train it again")
    check_class_order(values.pop("classes", ()), folder / "model.json")
    preprocessing = Preprocessing.from_dict(values.pop("preprocessing"))
    if values.pop("preprocessing_hash", None) != preprocessing.hash():
        raise ArtifactError(
            "The preprocessing of this model does not fit its hash.", where=folder / "model.json", remedy="restore the file"
        )
    try:
        card = ModelCard(**values, preprocessing=preprocessing)
    except TypeError as error:
        raise ArtifactError("The keys of this model card do not fit.", where=folder / "model.json", found=error) from error
    if model_sha256(folder) != card.weights_sha256:
        raise ArtifactError("The weights are not those of the model card.", where=folder / "model.safetensors", remedy="restore the folder")
    network = build_network(card)
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError("The weights do not fit the network.", where=folder, found=error) from error
    return network.eval(), card


def model_sha256(folder: Path) -> str:
    """Hash of a saved model's weights."""
    return sha256_file(folder / "model.safetensors")
