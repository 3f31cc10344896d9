from pathlib import Path

import numpy as np
import pytest
import torch

from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.pixels.decode import decode_rgb
from fer_core.pixels.preprocessing import Preprocessing
from tests.tiny import SIDE, write_half

CPU = torch.device("cpu")
PREPROCESSING = Preprocessing(24, 0.8, False, 2.0, 4, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
VIEWS = ViewOptions(
    count=2,
    scale=(0.7, 1.0),
    ratio=(0.8, 1.25),
    flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    write_half(tmp_path / "dev", ["train"] * 20)
    return Pack.open(tmp_path / "dev")


def test_evaluation_view_is_the_prepared_image_of_that_very_row(pack: Pack) -> None:
    bank = ImageBank(pack, [3, 11, 17], PREPROCESSING, None, 2, CPU)
    shown = bank.view(np.array([17, 3]), 0)
    for seen, row in zip(shown, (17, 3), strict=True):
        prepared = PREPROCESSING.prepare(decode_rgb(pack.image(row), where=row))
        assert np.array_equal(
            (seen * 255).round().to(torch.uint8).permute(1, 2, 0).numpy(), prepared
        )
    assert shown.shape == (2, 3, 24, 24)
    assert SIDE != 24


def test_a_view_does_not_depend_on_threads_batch_or_what_else_is_held(pack: Pack) -> None:
    whole = ImageBank(pack, range(20), PREPROCESSING, VIEWS, 3, CPU).view(np.arange(20), 2)
    part = ImageBank(pack, [9, 4], PREPROCESSING, VIEWS, 1, CPU).view(np.array([4, 9]), 2)
    assert torch.allclose(whole[[4, 9]], part, atol=1e-6)


def test_views_differ_from_each_other_and_repeat(pack: Pack) -> None:
    bank = ImageBank(pack, range(20), PREPROCESSING, VIEWS, 1, CPU)
    rows = np.arange(20)
    assert torch.equal(bank.view(rows, 1), bank.view(rows, 1))
    assert not torch.allclose(bank.view(rows, 1), bank.view(rows, 2), atol=1e-2)


def test_a_row_that_is_not_held_is_refused(pack: Pack) -> None:
    bank = ImageBank(pack, [1, 2], PREPROCESSING, VIEWS, 1, CPU)
    with pytest.raises(IndexError, match="row 5"):
        bank.view(np.array([1, 5]), 0)


def test_a_bank_without_options_draws_no_views(pack: Pack) -> None:
    with pytest.raises(ValueError, match="without augmentation options"):
        ImageBank(pack, [1], PREPROCESSING, None, 1, CPU).view(np.array([1]), 1)
