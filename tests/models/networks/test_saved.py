import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fer_core.base.errors import ArtifactError, FerError
from fer_core.models.networks.card import ModelCard, read_card
from fer_core.models.networks.saved import build_network, load_model, save_model
from fer_core.pixels.preprocessing import Preprocessing
from tests.artifacts import reseal

PREPROCESSING = Preprocessing(32, 1.0, False, 2.0, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CARD = ModelCard(
    kind="teacher",
    arch="test_resnet",
    head="arcface",
    embed_dim=16,
    dropout=0.1,
    scale=30.0,
    preprocessing=PREPROCESSING,
    rows_sha256="r",
    init_sha256="i",
    targets_sha256=None,
    selected_epoch=3,
    budget={"optimiser_steps": 12},
    params={"seed": 1},
)


def saved(folder: Path, card: ModelCard = CARD) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network(card)
    save_model(folder, network, card)
    return network.eval()


CARDS = {
    "arcface": CARD,
    "plain": replace(CARD, head="plain", scale=None),
    "linear": replace(
        CARD, kind="student", head="linear", embed_dim=None, dropout=None, scale=None
    ),
}


@pytest.mark.parametrize("head", CARDS)
def test_model_read_back_gives_the_same_logits(tmp_path: Path, head: str) -> None:
    card = CARDS[head]
    network = saved(tmp_path / "model", card)
    loaded, found = load_model(tmp_path / "model")
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded(images), network(images))
    assert replace(found, weights_sha256="") == card


def test_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    saved(tmp_path / "b")
    for name in ("model.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_changed_weight_is_noticed(tmp_path: Path) -> None:
    saved(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="was changed"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda card: card["preprocessing"].update(size=8), "out of range"),
        (lambda card: card.update(kind="pupil"), "kind"),
        (lambda card: card.pop("budget"), "budget"),
    ],
)
def test_edited_card_is_refused(tmp_path: Path, edit: object, message: str) -> None:
    saved(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    card = json.loads(path.read_text())
    edit(card)  # type: ignore[operator]
    path.write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match="was changed"):
        load_model(tmp_path / "model")
    reseal(tmp_path / "model")
    with pytest.raises(FerError, match=message):
        load_model(tmp_path / "model")


def test_another_network_or_version_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "model", replace(CARD, key="rn18"))
    assert read_card(tmp_path / "model", "rn18").key == "rn18"
    with pytest.raises(ArtifactError, match="is another's"):
        read_card(tmp_path / "model", "b3")
    reseal(tmp_path / "model", classes=["Happy"])
    with pytest.raises(ArtifactError, match="class order"):
        load_model(tmp_path / "model")
    reseal(tmp_path / "model", kind="model/1")
    with pytest.raises(ArtifactError, match="another kind or version"):
        load_model(tmp_path / "model")
