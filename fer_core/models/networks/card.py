"""The card of a saved model: what it is and what it was made from. Free of torch, so that light
stages can read it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, sha256_file, write_json
from fer_core.base.labels import CLASSES, check_class_order
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "ModelCard", "model_sha256", "read_card", "write_card"]

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
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
        budget: what must be equal for a fair comparison: optimiser steps, batch, initial weights,
            rows, views.
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


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json`."""
    values = asdict(card) | {"preprocessing": card.preprocessing.to_dict()}
    head = {
        "schema": _SCHEMA,
        "classes": list(CLASSES),
        "preprocessing_hash": card.preprocessing.hash(),
    }
    write_json(folder / CARD_FILE, head | values)


def read_card(folder: Path) -> ModelCard:
    """Read the card of a saved model and check that the weights beside it are those it describes.

    Raises:
        ArtifactError: a file is missing, damaged, of another schema or class order, or the weights
            are not the card's.
    """
    file = folder / CARD_FILE
    values = read_json(file)
    if not isinstance(values, dict) or values.pop("schema", None) != _SCHEMA:
        raise ArtifactError(
            "This model is of another schema.",
            where=file,
            expected=_SCHEMA,
            remedy="train it again",
        )
    check_class_order(values.pop("classes", ()), file)
    preprocessing = Preprocessing.from_dict(values.pop("preprocessing"))
    if values.pop("preprocessing_hash", None) != preprocessing.hash():
        raise ArtifactError(
            "The preprocessing of this model does not fit its hash.",
            where=file,
            remedy="restore the file",
        )
    try:
        card = ModelCard(**values, preprocessing=preprocessing)
    except TypeError as error:
        raise ArtifactError(
            "The keys of this model card do not fit.", where=file, found=error
        ) from error
    if model_sha256(folder) != card.weights_sha256:
        raise ArtifactError(
            "The weights are not those of the model card.",
            where=folder / WEIGHTS_FILE,
            remedy="restore the folder",
        )
    return card


def model_sha256(folder: Path) -> str:
    """Hash of a saved model's weights."""
    return sha256_file(folder / WEIGHTS_FILE)
