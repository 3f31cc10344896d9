"""Faces as the trained network takes them: torch's side of the parity check, and the calib faces
that 8-bit ranges are taken from.
"""

import numpy as np
import torch
from torch import nn

from fer_core.base.absent import absent_classes
from fer_core.base.labels import INDEX, NEVER
from fer_core.dataset.pack.pack import Pack
from fer_core.export.onnx.parity import Reference
from fer_core.images.bank import ImageBank
from fer_core.models.networks.inference import logits_of
from fer_core.pixels.preprocessing import Preprocessing

__all__ = ["calib_faces", "reference_logits"]

_CPU = torch.device("cpu")


def reference_logits(
    network: nn.Module,
    pack: Pack,
    preprocessing: Preprocessing,
    threads: int,
    rows: np.ndarray | None = None,
) -> Reference:
    """What the network in torch says of rows of a half of the pack; of all where none are given.
    Logits of classes that are declared absent are `NEVER`.
    """
    rows = np.arange(len(pack)) if rows is None else rows
    bank = ImageBank(pack, rows, preprocessing, None, threads, _CPU)
    logits = logits_of(network, bank, rows, range(1), "fp32")[:, 0]
    logits[:, [INDEX[name] for name in absent_classes()]] = NEVER
    return Reference(pack, rows, logits)


def calib_faces(pack: Pack, preprocessing: Preprocessing, most: int, threads: int) -> np.ndarray:
    """Faces of calib rows in their evaluation view, normalised.

    Args:
        pack: the dev half.
        preprocessing: of the network.
        most: how many at most, spread evenly over the rows, so that every data set gives its share.
        threads: for decoding.

    Returns:
        float32 [n, 3, size, size].
    """
    rows = pack.rows.split("calib")
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    bank = ImageBank(pack, rows, preprocessing, None, threads, _CPU)
    return np.ascontiguousarray(bank.view(rows, 0).numpy())
