"""Averages over cuts of a face are those that torchvision's cuts give."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import ten_crop

from fer_core.base.errors import ParamsError
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.inspection.averaged import averaged_logits
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import save_model
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from tests.tiny import write_half

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


def saved(folder: Path, crop: float, clahe: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_classifier("test_resnet", 28).eval()
    preprocessing = Preprocessing(28, crop, clahe, 2.0, 4, MEAN, STD)
    card = ModelCard(
        "student",
        "test_resnet",
        "linear",
        None,
        None,
        None,
        preprocessing,
        rows_sha256="r",
        init_sha256="i",
        targets_sha256=None,
        selected_epoch=0,
        budget={},
        params={},
    )
    save_model(folder, network, card)
    return network


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    write_half(tmp_path / "test", 9 * ["test"])
    return Pack.open(tmp_path / "test")


def test_ten_crops_are_torchvisions(tmp_path: Path, pack: Pack) -> None:
    network = saved(tmp_path / "model", 0.875)
    found = averaged_logits(tmp_path / "model", pack, "ten_crop")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    for row in range(len(pack)):
        square = torch.from_numpy(decode_rgb(pack.image(row), "")).permute(2, 0, 1).float() / 255
        assert square.shape[1:] == (32, 32), "the pack's pictures are as large as the resized side"
        crops = torch.stack([(one - mean) / std for one in ten_crop(square, 28)])
        with torch.inference_mode():
            expected = network(crops).softmax(1).mean(0)
        np.testing.assert_allclose(np.exp(found[row]), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("clahe", [False, True])
def test_flip_is_the_mean_of_the_face_and_its_mirror_image(
    tmp_path: Path, pack: Pack, clahe: bool
) -> None:
    network = saved(tmp_path / "model", 1.0, clahe)
    found = averaged_logits(tmp_path / "model", pack, "flip")
    preprocessing = Preprocessing(28, 1.0, clahe, 2.0, 4, MEAN, STD)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    for row in range(len(pack)):
        image = decode_rgb(pack.image(row), "")
        shown = np.stack([preprocessing.prepare(one) for one in (image, image[:, ::-1])])
        pixels = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            expected = network((pixels - mean) / std).softmax(1).mean(0)
        np.testing.assert_allclose(np.exp(found[row]), expected.numpy(), atol=1e-5)


def test_a_network_that_sees_the_whole_face_has_no_ten_crops(tmp_path: Path, pack: Pack) -> None:
    saved(tmp_path / "model", 1.0)
    with pytest.raises(ParamsError, match=r"no ten crops(.|\n)*--over flip"):
        averaged_logits(tmp_path / "model", pack, "ten_crop")
