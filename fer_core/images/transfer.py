"""Arrays on their way from the host to the device that computes, without the host waiting for it.

A copy from ordinary memory makes the host wait until the device has done all that was asked of it
before, so that the device then has nothing to do until the host has the next thing ready. From
page-locked memory the copy takes its turn among the device's other work.
"""

import numpy as np
import torch
from torch import Tensor

__all__ = ["on_device"]


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array's values as a tensor on a device; on the CPU the tensor shares the array's memory.

    torch keeps the page-locked memory until the copy is done, so that the array may be changed or
    dropped at once.
    """
    tensor = torch.from_numpy(array)
    return (
        tensor.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else tensor.to(device)
    )
