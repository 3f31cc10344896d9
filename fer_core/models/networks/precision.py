"""Number formats of the forward pass."""

import torch

from fer_core.base.errors import ModelError

__all__ = ["autocast"]

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
