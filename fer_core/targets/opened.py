"""Targets as the training loop uses them: verified in full, on the device, addressed by row number
and view.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.rows import Rows
from fer_core.dataset.pack.votes import vote_shares
from fer_core.images.views import ViewOptions
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.softlabels import SoftLabels, read_softlabels

__all__ = ["open_targets", "open_teacher_targets", "open_votes"]


def open_targets(
    folder: Path, rows: Rows, preprocessing: Preprocessing, views: ViewOptions, device: torch.device
) -> tuple[Tensor, str]:
    """Teacher logits of every train row.

    Args:
        folder: soft labels.
        rows: of the pack's dev half.
        preprocessing, views: the student's; the teachers must have seen the same part of each
            picture, at whatever size.
        device: where to keep the logits.

    Returns:
        float16 [number of rows, K + 1, 7], NaN for rows outside train so that a wrong look-up
        cannot go unnoticed; and the hash of the soft labels.

    Raises:
        ArtifactError: the soft labels are damaged, belong to other rows, or were made from other
            preprocessing or views.
    """
    soft = _read(folder, rows, preprocessing, views)
    return _by_row(soft.logits, rows, device), soft.sha256


def open_teacher_targets(
    folder: Path, rows: Rows, preprocessing: Preprocessing, views: ViewOptions, device: torch.device
) -> tuple[Tensor, str]:
    """Logits of each of the M teachers for every train row: as `open_targets`, but float16 [number
    of rows, K + 1, M, 7].
    """
    soft = _read(folder, rows, preprocessing, views)
    return _by_row(soft.of_teachers, rows, device), soft.of_teachers_sha256


def open_votes(rows: Rows, views: ViewOptions, device: torch.device) -> Tensor:
    """Share of each class among the votes on every row's picture; the same for all of its views.

    Args:
        rows: of the pack's dev half.
        views: how many views there are.
        device: where to keep the shares.

    Returns:
        float32 [number of rows, K + 1, 7]; zeros for rows that nobody voted on.

    Raises:
        DataError: there are no votes on any train row.
    """
    shares = vote_shares(rows)
    return torch.from_numpy(shares).to(device)[:, None, :].expand(-1, views.count + 1, -1)


def _read(folder: Path, rows: Rows, preprocessing: Preprocessing, views: ViewOptions) -> SoftLabels:
    soft = read_softlabels(folder, rows)
    for name, found, expected in (
        ("preprocessing", soft.preprocessing_hash, preprocessing.hash_at_any_size()),
        ("views", soft.views_hash, views.hash()),
    ):
        if found != expected:
            raise ArtifactError(
                f"The teachers behind these soft labels saw other {name} than this student would.",
                where=folder,
                found=found,
                expected=expected,
                remedy="run `fer run softlabels` after a change of params",
            )
    return soft


def _by_row(logits: np.ndarray, rows: Rows, device: torch.device) -> Tensor:
    targets = torch.full((len(rows), *logits.shape[1:]), torch.nan, dtype=torch.float16)
    targets[torch.from_numpy(rows.split("train"))] = torch.from_numpy(logits)
    return targets.to(device)
