"""The device that networks run on."""

import torch

from fer_core.errors import ModelError
from fer_core.settings import Settings

__all__ = ["prepare_device"]


def prepare_device(settings: Settings) -> torch.device:
    """Set torch's threads and determinism for this process and return the device to use.

    On the CPU, operations without a deterministic form are refused, so that a run repeats bit for bit.

    Raises:
        ModelError: CUDA is asked for and absent.
    """
    torch.set_num_threads(settings.cpu_threads())
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError("No CUDA device is usable.", where="device", found=name, remedy="set FER_DEVICE=cpu, or mend the driver")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            "Unknown device.", where="FER_DEVICE or fer.local.toml", found=name, expected="auto, cpu, cuda or cuda:N"
        ) from error
    torch.use_deterministic_algorithms(device.type == "cpu")
    # Filling fresh memory costs time and only helps to find reads of unwritten memory in torch itself.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device
