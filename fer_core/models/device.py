"""The device that networks run on; in a group of processes each has its own."""

import torch

from fer_core.errors import ModelError
from fer_core.models.distributed import join
from fer_core.settings import Settings, place

__all__ = ["prepare_device"]


def prepare_device(settings: Settings) -> torch.device:
    """Set torch's threads and determinism for this process and return the device to use; under torchrun, join the group.

    On the CPU, operations without a deterministic form are refused, so that a run repeats bit for bit.

    Raises:
        ModelError: CUDA is asked for and absent, or there are more processes than CUDA devices.
        GroupError: the processes that torchrun started cannot find each other.
    """
    torch.set_num_threads(settings.cpu_threads())
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError("No CUDA device is usable.", where="device", found=name, remedy="set FER_DEVICE=cpu, or mend the driver")
    if name.startswith("cuda") and place().local_size > 1:
        name = _of_this_process(name)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            "Unknown device.", where="FER_DEVICE or fer.local.toml", found=name, expected="auto, cpu, cuda or cuda:N"
        ) from error
    torch.use_deterministic_algorithms(device.type == "cpu")
    # Filling fresh memory costs time and only helps to find reads of unwritten memory in torch itself.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    join(device)
    return device


def _of_this_process(name: str) -> str:
    here = place()
    if name != "cuda":
        raise ModelError(
            "Several processes cannot share one device.",
            where="FER_DEVICE or fer.local.toml",
            found=f"{name} for {here.local_size} processes",
            remedy="set the device to cuda, so that each process takes its own, or FER_PROCESSES=1",
        )
    if here.local_rank >= torch.cuda.device_count():
        raise ModelError(
            "There are more processes than CUDA devices.",
            where="FER_PROCESSES or fer.local.toml",
            found=f"{here.local_size} processes, {torch.cuda.device_count()} devices",
            remedy=f"set FER_PROCESSES={torch.cuda.device_count()}",
        )
    return f"cuda:{here.local_rank}"
