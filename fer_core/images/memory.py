"""Memory of this process's host and device: room for decoded images, and copies from one to the
other.
"""

import numpy as np
import torch
from torch import Tensor

from fer_core.base.machine import available_memory
from fer_core.base.processes import place, side_by_side

__all__ = ["device_room", "host_room", "on_device"]

_SHARE = 0.5


def host_room(memory_gb: float) -> int:
    """Bytes of host memory that this process may fill with decoded images.

    Args:
        memory_gb: for all processes of this stage on the machine together, in 10^9 bytes; 0 takes
            half of what is available, shared with the stages that `fer run` may run beside this
            one.
    """
    total = memory_gb * 1e9 if memory_gb else _SHARE * available_memory() / side_by_side()
    return int(total) // place().local_size


def device_room(device: torch.device, memory_gb: float) -> int:
    """Bytes of a CUDA device's memory that may be filled with decoded images.

    Args:
        device: of this process alone.
        memory_gb: in 10^9 bytes; 0 takes half of what is free, and leaves the rest to the network.
    """
    return int(memory_gb * 1e9 if memory_gb else _SHARE * torch.cuda.mem_get_info(device)[0])


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array's values as a tensor on a device; on the CPU the tensor shares the array's memory.

    A copy from ordinary memory makes the host wait until the device has done all that was asked of
    it before; from page-locked memory the copy takes its turn among the device's other work. torch
    keeps the page-locked memory until the copy is done, so that the array may be changed or
    dropped at once.
    """
    tensor = torch.from_numpy(array)
    return (
        tensor.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else tensor.to(device)
    )
