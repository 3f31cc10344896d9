from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_core.base.errors import ModelError
from fer_core.base.settings import Settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.models.networks.saved import build_network, save_model
from tests.models.networks.test_saved import CARD, PREPROCESSING
from tests.tiny import dev_splits, write_half

VIEWS = ViewOptions(
    count=3,
    scale=(0.7, 1.0),
    ratio=(0.8, 1.25),
    flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
)
ALL = ("train", "val", "calib")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(device="cpu", raw=tmp_path, runs=tmp_path, threads=1)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    write_half(tmp_path / "dev", dev_splits(12, 5, 4))
    return Pack.open(tmp_path / "dev")


def saved(folder: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network(CARD).eval()
    save_model(folder, network, replace(CARD, key="tiny"))
    return network


def test_logits_are_the_networks_for_every_row_and_stored_view(
    tmp_path: Path, pack: Pack, settings: Settings
) -> None:
    network = saved(tmp_path / "model")
    found = forward_rows(
        tmp_path / "model", "tiny", pack, Wanted(ALL, "fp32", "float32", VIEWS), settings
    )
    bank = ImageBank(pack, range(len(pack)), PREPROCESSING, VIEWS, 1, torch.device("cpu"))
    assert found.sample_ids == pack.rows.sample_ids
    with torch.inference_mode():
        assert np.allclose(found.eval, network(bank.view(np.arange(21), 0)).numpy(), atol=1e-4)
        for k in (1, 3):
            assert np.allclose(
                found.views[:, k - 1],
                network(bank.view(pack.rows.split("train"), k)).numpy(),
                atol=1e-4,
            )
    assert found.views.shape == (12, 3, 7)
    assert (found.preprocessing_hash, found.views_hash, found.rows_sha256) == (
        PREPROCESSING.hash_at_any_size(),
        VIEWS.hash(),
        pack.rows.sha256,
    )


def test_half_precision_and_part_of_the_splits(
    tmp_path: Path, pack: Pack, settings: Settings
) -> None:
    saved(tmp_path / "model")
    found = forward_rows(
        tmp_path / "model", "tiny", pack, Wanted(("val", "calib"), "fp32", "float16"), settings
    )
    assert (found.eval.dtype, found.views, len(found)) == (np.dtype("float16"), None, 9)


def test_a_network_whose_logits_are_not_finite_is_refused(
    tmp_path: Path, pack: Pack, settings: Settings
) -> None:
    network = build_network(CARD)
    with torch.no_grad():
        network.get_parameter("centres").fill_(torch.nan)
    save_model(tmp_path / "model", network, replace(CARD, key="tiny"))
    with pytest.raises(ModelError, match="not finite"):
        forward_rows(
            tmp_path / "model", "tiny", pack, Wanted(("val",), "fp32", "float32"), settings
        )
