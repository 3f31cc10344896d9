"""Soft labels as a run sees them: by row number and view, fused or of each teacher, and nothing for
rows outside train.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import sha256_file
from fer_core.dataset.pack.rows import Rows
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.opened import open_targets, open_teacher_targets, open_votes
from fer_core.targets.softlabels import write_softlabels
from tests.arrange_logits import DEV, K, metrics_of, noisy_logits, rows_of
from tests.tiny import PREPROCESSING
from tests.tiny import VIEWS as TWO_VIEWS

CPU = torch.device("cpu")
ROWS = rows_of(DEV)
VIEWS = TWO_VIEWS.model_copy(update={"count": K})
TRAIN = ROWS.split("train")


def logits(seed: int) -> np.ndarray:
    return np.stack([noisy_logits(ROWS.labels[TRAIN], seed + k) for k in range(K + 1)], axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_softlabels(
        tmp_path / "soft",
        ROWS,
        logits(0),
        {"rn18": logits(10), "b3": logits(20)},
        made_from={"preprocessing": PREPROCESSING.hash_at_any_size(), "views": VIEWS.hash()},
        ensemble={},
        metrics=metrics_of(logits(0), ROWS.labels[TRAIN]),
    )
    return tmp_path / "soft"


def test_fused_targets_lie_at_their_rows_and_nowhere_else(folder: Path) -> None:
    targets, sha256 = open_targets(folder, ROWS, PREPROCESSING, VIEWS, CPU)
    assert targets.shape == (len(ROWS), K + 1, 7)
    np.testing.assert_array_equal(targets[TRAIN[7], 2].numpy(), logits(0)[7, 2].astype(np.float16))
    assert torch.isnan(targets[torch.from_numpy(ROWS.split("val", "calib"))]).all()
    assert sha256 == sha256_file(folder / "softlabels.npz")


def test_targets_of_each_teacher_keep_the_teachers_order(folder: Path) -> None:
    targets, sha256 = open_teacher_targets(folder, ROWS, PREPROCESSING, VIEWS, CPU)
    assert targets.shape == (len(ROWS), K + 1, 2, 7)
    for place, seed in enumerate((10, 20)):
        np.testing.assert_array_equal(
            targets[TRAIN[7], 2, place].numpy(), logits(seed)[7, 2].astype(np.float16)
        )
    assert torch.isnan(targets[torch.from_numpy(ROWS.split("val", "calib"))]).all()
    assert sha256 == sha256_file(folder / "teachers.npz")


@pytest.mark.parametrize("opened", [open_targets, open_teacher_targets])
def test_targets_of_other_pictures_are_refused(folder: Path, opened) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ArtifactError, match="other preprocessing"):
        opened(
            folder,
            ROWS,
            Preprocessing(32, 1.0, True, 2.0, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            VIEWS,
            CPU,
        )
    with pytest.raises(ArtifactError, match="other views"):
        opened(folder, ROWS, PREPROCESSING, VIEWS.model_copy(update={"flip": 0.0}), CPU)


def test_votes_are_shares_at_their_rows_and_zeros_elsewhere() -> None:
    votes = [None] * len(ROWS)
    votes[TRAIN[3]] = np.array([0, 0, 6, 0, 0, 2, 0])
    shares = open_votes(Rows(ROWS.frame.assign(votes=votes), ROWS.sha256), VIEWS, CPU)
    assert shares.shape == (len(ROWS), K + 1, 7)
    for view in range(K + 1):
        np.testing.assert_allclose(shares[TRAIN[3], view].numpy(), [0, 0, 0.75, 0, 0, 0.25, 0])
    assert float(shares.sum()) == pytest.approx(K + 1)


def test_votes_on_no_train_row_are_an_error_that_names_who_brings_some() -> None:
    votes = [None] * len(ROWS)
    votes[ROWS.split("val")[0]] = np.ones(7)
    with pytest.raises(DataError, match="ferplus"):
        open_votes(Rows(ROWS.frame.assign(votes=votes), ROWS.sha256), VIEWS, CPU)
