"""The card of a saved model: what it is and what it was made from. Free of torch, so that light
stages can read it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fer_core.base.artifact import Header, open_artifact, read_values
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "ModelCard", "header_of", "read_card"]

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
_KIND = "model/2"


@dataclass(frozen=True)
class ModelCard:
    """What a saved model is and what it was made from.

    Attributes:
        kind: "teacher" or "student".
        arch: timm name.
        head: "arcface" or "plain" after a teacher's embedding, "linear" after a student's features.
        embed_dim, dropout: of the embedding; None without one.
        scale: of an ArcFace head; None with another.
        preprocessing: what the network's input must have gone through.
        rows_sha256: hash of the training pack's `rows.parquet`.
        init_sha256: hash of the initial weights.
        targets_sha256: hash of the soft labels; None when trained on labels alone.
        selected_epoch: epoch whose weights these are, counted from 0.
        budget: what must be equal for a fair comparison: optimiser steps, batch, initial weights,
            rows, views.
        params: effective parameters of the run.
        weights_sha256: hash of `model.safetensors`; filled in by `save_model`.
        key: of the student, or tag of the teacher, with stage and fold.
    """

    kind: Literal["teacher", "student"]
    arch: str
    head: Literal["arcface", "plain", "linear"]
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
    key: str = ""


def header_of(card: ModelCard) -> Header:
    """The header of a saved model, without its files."""
    made_from = {"initial weights": card.init_sha256, "preprocessing": card.preprocessing.hash()}
    if card.targets_sha256 is not None:
        made_from["soft labels"] = card.targets_sha256
    return Header(_KIND, card.key, rows_sha256=card.rows_sha256, made_from=made_from)


def read_card(folder: Path, key: str | None = None) -> ModelCard:
    """Read the card of a saved model; the weights beside it are those that it describes.

    Args:
        folder: the artifact.
        key: of the student, or tag of the teacher, that it must be; None where that does not
            matter.

    Raises:
        ArtifactError: a file is missing, changed, of another version, class order or network.
    """
    open_artifact(folder, _KIND, key)
    return read_values(folder / CARD_FILE, ModelCard)
