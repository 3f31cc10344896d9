"""Logits of many rows of an image bank, and the number formats of a forward pass."""

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from fer_core.base.errors import ModelError
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.images.bank import ImageBank
from fer_core.models.networks.layout import to_channels_last

__all__ = ["BATCH", "autocast", "logits_of"]

BATCH = 256
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def logits_of(
    network: nn.Module, bank: ImageBank, rows: np.ndarray, views: range, precision: str
) -> np.ndarray:
    """Forward pass of some views of some rows.

    Args:
        network: in evaluation mode, on the bank's device; images to logits [n, 7].
        bank: holds the rows.
        rows: row numbers [n].
        views: numbers of the views; 0 is the evaluation view.
        precision: "fp32", "bf16" or "fp16" (autocast; fp16 on CUDA only).

    Returns:
        float32 [n, len(views), 7].

    Raises:
        ModelError: a logit is not finite, or fp16 on the CPU.
    """
    network = to_channels_last(network, bank.device)
    found = torch.empty(
        (len(rows), len(views), N_CLASSES), device=bank.device
    )  # fetched once: the device need not wait for the host
    bar = tqdm(
        total=len(rows) * len(views), desc="logits", unit="img", leave=False, disable=progress_off()
    )
    bank.expect(rows[start : start + BATCH] for _ in views for start in range(0, len(rows), BATCH))
    with bar, torch.inference_mode(), autocast(bank.device, precision):
        for column, k in enumerate(views):
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                found[start : start + len(batch), column] = network(bank.view(batch, k)).float()
                bar.update(len(batch))
        logits = found.cpu().numpy()
    if not np.isfinite(logits).all():
        row = int(rows[np.argwhere(~np.isfinite(logits))[0][0]])
        raise ModelError(
            "A logit is not finite.",
            where=f"row {row} of the pack",
            remedy="train the model again with a lower learning rate",
        )
    return logits


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Context in which a network works in a precision.

    Args:
        device: that the network is on.
        precision: "fp32", "bf16" or "fp16".

    Raises:
        ModelError: fp16 on another device than CUDA.
    """
    if precision == "fp16" and device.type != "cuda":
        raise ModelError(
            "fp16 needs a CUDA device.",
            where="train.precision",
            found=f"fp16 on {device.type}",
            remedy="set precision: bf16 or fp32",
        )
    return torch.autocast(
        device.type, _HALF.get(precision, torch.bfloat16), enabled=precision in _HALF
    )
