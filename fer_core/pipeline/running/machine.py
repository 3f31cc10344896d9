"""What a run may use of this machine or of a cluster, and the share that a stage gets of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.processes import RUN_PROCESS, SIDE_BY_SIDE, own_path
from fer_core.base.settings import Settings

__all__ = [
    "ALONE",
    "Machine",
    "machine_for",
    "stage_environment",
    "stage_threads",
    "visible_gpus",
]

ALONE = frozenset({"latency"})
"""Stages that time what they do: nothing runs beside them."""

_GPUS = Path("/proc/driver/nvidia/gpus")
_MOST_JOBS = 4


@dataclass(frozen=True)
class Machine:
    """What may be used.

    Attributes:
        jobs: stages at a time.
        threads: CPU threads of the machine, shared out among the stages that may run at a time.
        devices: each serves one stage at a time that wants one; empty where the CPU is the device.
            A stage that is spread over processes takes all devices, so with these there is one
            entry, such as "auto", for all.
        apart: whether every stage has a place of its own in a cluster, with all `threads`.
    """

    jobs: int
    threads: int
    devices: tuple[str, ...]
    apart: bool = False


def machine_for(settings: Settings, jobs: int | None) -> Machine:
    """Devices and jobs by the settings: without any, every GPU, and on a CPU as many stages as it
    has cores, four at most. In a cluster a stage has `threads` threads, whatever runs beside it.
    """
    if settings.on != "local":
        threads = settings.machine_threads()
        return Machine(jobs or settings.jobs or _MOST_JOBS, threads, (), apart=True)
    if settings.processes > 1:
        return Machine(
            jobs or settings.jobs or min(_MOST_JOBS, settings.machine_threads()),
            settings.machine_threads(),
            (settings.device,),
        )
    devices = settings.devices
    if not devices and settings.device == "auto":
        devices = tuple(f"cuda:{number}" for number in range(visible_gpus()))
    elif not devices and settings.device != "cpu":
        devices = (settings.device,)
    if devices == ("cpu",):
        devices = ()
    threads = settings.machine_threads()
    return Machine(
        jobs or settings.jobs or max(len(devices), min(_MOST_JOBS, threads)), threads, devices
    )


def visible_gpus() -> int:
    """Number of GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0


def _together(machine: Machine, beside: int, stage: str) -> int:
    """How many stages may run while this one runs, itself included."""
    alone = machine.apart or stage.partition("@")[0] in ALONE
    return 1 if alone else min(machine.jobs, 1 + beside)


def stage_threads(machine: Machine, beside: int, stage: str) -> str:
    """Threads of a stage that may run beside so many others, as text."""
    return str(max(1, machine.threads // _together(machine, beside, stage)))


def stage_environment(
    device: str | None, machine: Machine, beside: int, stage: str
) -> dict[str, str]:
    """Variables by which a stage knows its share of the machine.

    Args:
        device: of its own; None where it has none.
        machine: what may be used.
        beside: stages that may run beside it.
        stage: its address.
    """
    threads = stage_threads(machine, beside, stage)
    environment = {"FER_THREADS": threads, "OMP_NUM_THREADS": threads, "PATH": own_path()}
    environment[SIDE_BY_SIDE] = str(_together(machine, beside, stage))
    environment[RUN_PROCESS] = str(os.getpid())
    return environment if device is None else environment | {"FER_DEVICE": device}
