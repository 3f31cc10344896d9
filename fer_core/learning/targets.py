"""Soft labels as the training loop uses them: verified in full, on the device, addressed by row number and view."""

from pathlib import Path

import torch
from torch import Tensor

from fer_core.data.preprocessing import Preprocessing
from fer_core.data.rows import Rows
from fer_core.data.softlabels import read_softlabels
from fer_core.data.views import ViewOptions
from fer_core.errors import ArtifactError

__all__ = ["open_targets"]


def open_targets(folder: Path, rows: Rows, preprocessing: Preprocessing, views: ViewOptions, device: torch.device) -> tuple[Tensor, str]:
    """Teacher logits of every train row.

    Args:
        folder: soft labels.
        rows: of the pack's dev half.
        preprocessing, views: the student's; the teachers must have seen the same part of each picture, at whatever size.
        device: where to keep the logits.

    Returns:
        float16 [number of rows, K + 1, 7], NaN for rows outside train so that a wrong look-up cannot go unnoticed; and the
        hash of the soft labels.

    Raises:
        ArtifactError: the soft labels are damaged, belong to other rows, or were made from other preprocessing or views.
    """
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
    targets = torch.full((len(rows), *soft.logits.shape[1:]), torch.nan, dtype=torch.float16)
    targets[torch.from_numpy(rows.split("train"))] = torch.from_numpy(soft.logits)
    return targets.to(device), soft.sha256
