"""The device that networks run on; in a group of processes each has its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fer_core.base.errors import ModelError
from fer_core.base.processes import place
from fer_core.base.settings import Settings
from fer_core.models.devices.distributed import join

__all__ = ["device_memory", "prepare_device"]


def prepare_device(settings: Settings) -> torch.device:
    """Set torch's threads and determinism for this process and return the device to use; under
    torchrun, join the group.

    On the CPU, operations without a deterministic form are refused, so that a run repeats bit for
    bit. On CUDA speed comes first: what is computed in single precision may use TF32, and cuDNN
    takes the fastest of its algorithms; views keep clear of both (`data/augment.py`).

    Raises:
        ModelError: CUDA is asked for and absent, has no such device, or there are more processes
            than CUDA devices.
        GroupError: the processes that torchrun started cannot find each other.
    """
    torch.set_num_threads(settings.cpu_threads())
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(
            "No CUDA device is usable.",
            where="device",
            found=name,
            remedy="set FER_DEVICE=cpu, or mend the driver",
        )
    if name.startswith("cuda") and place().local_size > 1:
        name = _of_this_process(name)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            "Unknown device.",
            where="FER_DEVICE or fer.local.toml",
            found=name,
            expected="auto, cpu, cuda or cuda:N",
        ) from error
    if device.type == "cuda":
        _prepare_cuda(device)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # Filling fresh memory costs time and only helps to find reads of unwritten memory in torch
    # itself.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    join(device)
    return device


@contextmanager
def device_memory() -> Iterator[None]:
    """Context in which a device that has no memory left is an error that says what to change.

    Raises:
        ModelError: it has none.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            "The device has no memory left.",
            found=str(error).splitlines()[0],
            remedy="raise train.accumulation, so that a batch passes through in more parts; set "
            "FER_MEMORY_GB, so that fewer images lie on "
            "the device; lower train.batch (another experiment); or see with nvidia-smi what else "
            "is on it",
        ) from error


def _prepare_cuda(device: torch.device) -> None:
    if device.index is not None:
        if device.index >= (count := torch.cuda.device_count()):
            raise ModelError(
                "There is no such CUDA device.",
                where="FER_DEVICE or fer.local.toml",
                found=str(device),
                expected=", ".join(f"cuda:{number}" for number in range(count)),
            )
        torch.cuda.set_device(device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")


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
