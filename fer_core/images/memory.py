"""Memory of this process's host and device: room for decoded images, and copies from one to the
other.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fer_core.base.processes import place, side_by_side

__all__ = ["device_room", "host_room", "on_device"]

_SHARE = 0.5
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of each kind of control groups (version 2, and version 1's for memory): limit, use, and what of
it is cache, given up on demand.
"""


def host_room(memory_gb: float) -> int:
    """Bytes of host memory that this process may fill with decoded images.

    Args:
        memory_gb: for all processes of this stage on the machine together, in 10^9 bytes; 0 takes
            half of what is available, shared with the stages that `fer run` may run beside this
            one.
    """
    total = memory_gb * 1e9 if memory_gb else _SHARE * _available() / side_by_side()
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


def _available(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Bytes that can be used without swapping, within the limits of the container and the batch job
    where there are any.
    """
    meminfo = proc / "meminfo"
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    return min([int(fields["MemAvailable"].split()[0]) * 1024, *_left_in_groups(proc, cgroups)])


def _left_in_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Bytes that each control group of this process leaves it: its own group and all that this one
    lies in (cgroups(7)).
    """
    listing = proc / "self" / "cgroup"
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    own = {kind: path.strip("/") for _, kind, path in (line.split(":", 2) for line in lines)}
    for kind, (limit, used, cache) in _FILES.items():
        group = Path(own.get(kind, ""))
        for folder in (cgroups / kind / part for part in (group, *group.parents)):
            files = folder / limit, folder / used
            if (
                not all(file.exists() for file in files)
                or (text := files[0].read_text(encoding="utf-8").strip()) == "max"
            ):
                continue
            yield max(
                0,
                int(text)
                - int(files[1].read_text(encoding="utf-8"))
                + _given_up(folder / "memory.stat", cache),
            )


def _given_up(stat: Path, name: str) -> int:
    lines = stat.read_text(encoding="utf-8").splitlines() if stat.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
