"""Room for decoded images in the memory of this process's host and device."""

import os
from pathlib import Path

import torch

from fer_core.settings import place

__all__ = ["device_room", "host_room"]

_SHARE = 0.5
_MEMINFO = Path("/proc/meminfo")
_CGROUP_V2 = Path("/sys/fs/cgroup")


def host_room(memory_gb: float) -> int:
    """Bytes of host memory that this process may fill with decoded images.

    Args:
        memory_gb: for all processes of the machine together, in 10^9 bytes; 0 takes half of what is available.
    """
    total = memory_gb * 1e9 if memory_gb else _SHARE * _available()
    return int(total) // place().local_size


def device_room(device: torch.device, memory_gb: float) -> int:
    """Bytes of a CUDA device's memory that may be filled with decoded images.

    Args:
        device: of this process alone.
        memory_gb: in 10^9 bytes; 0 takes half of what is free, and leaves the rest to the network.
    """
    return int(memory_gb * 1e9 if memory_gb else _SHARE * torch.cuda.mem_get_info(device)[0])


def _available(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP_V2) -> int:
    """Bytes that can be used without swapping, within the limit of the container or the batch job where there is one."""
    if not meminfo.exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.exists() and (text := limit.read_text(encoding="utf-8").strip()) != "max":
        free = min(free, max(0, int(text) - int(used.read_text(encoding="utf-8"))))
    return free
