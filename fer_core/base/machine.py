"""Facts of the machine: cores, memory and processor that this process may use."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["available_memory", "cpu_model", "load_average", "memory_limit", "usable_cores"]

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Files of each kind of control group (version 2, and version 1's for memory): limit, use, and what
of it is cache that is given up on demand.
"""


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """Name of the processor, as the system gives it."""
    listing = _PROC / "cpuinfo"
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_average() -> float:
    """Processes that ran or waited for a core during the last minute, on average."""
    return psutil.getloadavg()[0]


def memory_limit(cgroup: Path = _CGROUPS / "memory.max") -> int:
    """Bytes of memory that this process may use at most: the machine's, or its container's if that
    has less.
    """
    total = psutil.virtual_memory().total
    limit = cgroup.read_text(encoding="ascii").strip() if cgroup.exists() else "max"
    return min(total, int(limit)) if limit.isdecimal() else total


def available_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Bytes that can be used without swapping, within the limits of the container and the batch job
    where there are any.

    Args:
        proc, cgroups: where the system shows processes and control groups.
    """
    return min([psutil.virtual_memory().available, *_left_in_groups(proc, cgroups)])


def _left_in_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Bytes that each control group of this process leaves it: its own group and all groups around
    it (cgroups(7)).
    """
    listing = proc / "self" / "cgroup"
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    own = {kind: path.strip("/") for _, kind, path in (line.split(":", 2) for line in lines)}
    for kind, (limit, used, cache) in _FILES.items():
        group = Path(own.get(kind, ""))
        for folder in (cgroups / kind / part for part in (group, *group.parents)):
            files = folder / limit, folder / used
            if not all(file.exists() for file in files):
                continue
            text = files[0].read_text(encoding="utf-8").strip()
            if text != "max":
                in_use = int(files[1].read_text(encoding="utf-8"))
                yield max(0, int(text) - in_use + _given_up(folder / "memory.stat", cache))


def _given_up(stat: Path, name: str) -> int:
    lines = stat.read_text(encoding="utf-8").splitlines() if stat.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
