"""This process among others: of one stage under torchrun, of one `fer run`, of this machine."""

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "RUN_PROCESS",
    "SIDE_BY_SIDE",
    "Place",
    "alive",
    "own_path",
    "place",
    "run_has_ended",
    "side_by_side",
]

RUN_PROCESS = "FER_RUN_PROCESS"
"""By which `fer run` tells its stages the number of its own process."""
SIDE_BY_SIDE = "FER_SIDE_BY_SIDE"
"""By which `fer run` tells a stage how many it may run at a time while that one runs."""
_MAY_ASK, _STILL_ACTIVE = 0x1000, 259  # Windows: PROCESS_QUERY_LIMITED_INFORMATION, STILL_ACTIVE
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """Place of this process among those that torchrun started together for one stage; the defaults
    are those of a process on its own.

    Attributes:
        rank: number of the process; 0 writes what the stage writes.
        size: processes on all machines.
        local_rank, local_size: the same on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def place() -> Place:
    """This process's place by the variables that torchrun sets; alone where any of them is
    missing.
    """
    if not all(os.environ.get(name) for name in _TORCHRUN):
        return Place()
    return Place(
        *(
            int(os.environ[name])
            for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
    )


def own_path() -> str:
    """PATH with the programs of this Python first: `python` and `dvc` are then its own."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def side_by_side() -> int:
    """Stages that `fer run` may run at a time while this one runs, itself included; 1 without `fer
    run`.
    """
    told = os.environ.get(SIDE_BY_SIDE, "")
    return max(1, int(told)) if told.isdecimal() else 1


def run_has_ended() -> bool:
    """Whether the `fer run` that started this stage is gone, killed perhaps; False without one."""
    told = os.environ.get(RUN_PROCESS, "")
    return told.isdecimal() and not alive(int(told))


def alive(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    if os.name == "nt":
        return _alive_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _alive_on_windows(process: int) -> bool:
    """There `os.kill` with signal 0 would send one."""
    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(_MAY_ASK, False, process)
    if not handle:
        return False
    status = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(status))
    kernel.CloseHandle(handle)
    return status.value == _STILL_ACTIVE
