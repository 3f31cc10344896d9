"""The device that networks run on (each process of a group has its own), and networks compiled for
it.

Compiling (`torch.compile`, where the machine's settings ask for it) makes a network faster on a GPU
after a minute of work. It happens in place: names and values of the weights stay as they are, and
only the forward pass changes, by rounding.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fer_core.base.errors import ModelError
from fer_core.base.processes import place
from fer_core.base.settings import Settings
from fer_core.models.devices import distributed
from fer_core.models.networks.arcface import ArcFaceNetwork

__all__ = ["compile_for_training", "compile_network", "device_memory", "prepare_device"]

log = logging.getLogger(__name__)


def prepare_device(settings: Settings, threads: int = 0) -> torch.device:
    """Set torch's threads and determinism for this process and return the device to use; under
    torchrun, join the group.

    On the CPU, operations without a deterministic form are refused, so that a run repeats bit for
    bit. On CUDA speed comes first: what is computed in single precision may use TF32, and cuDNN
    takes the fastest of its algorithms; views avoid both (`fer_core/images/augment.py`).

    Args:
        settings: of the machine.
        threads: of one operation on the CPU, `cpu_threads` of params.yaml: sums are split among
            them, so another number gives other last bits; 0 takes the machine's.

    Raises:
        ModelError: CUDA is asked for and absent, has no such device, or there are more processes
            than CUDA devices.
        GroupError: the processes that torchrun started cannot find each other.
    """
    torch.set_num_threads(threads or settings.cpu_threads())
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(
            "No CUDA device is usable.",
            where="device",
            found=name,
            remedy="set FER_DEVICE=cpu, or repair the driver",
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
    distributed.join(device)
    return device


def compile_network(network: nn.Module) -> None:
    """Have a network compiled when it is first called; of a teacher only the trunk, which takes
    most of the time.

    Each batch size is compiled on its own: there are two or three, and code for all sizes at once
    is slower.
    """
    (network.trunk if isinstance(network, ArcFaceNetwork) else network).compile(dynamic=False)


def compile_for_training(network: nn.Module, batch_norm_group: int) -> bool:
    """Have a network compiled for training, unless something acts on its layers while they run:
    compiled code has no layers.

    Args:
        network: to be trained.
        batch_norm_group: of the training's options.

    Returns:
        Whether it will be compiled; if not, a warning says why.
    """
    reasons = {
        "batch_norm_group works on groups of rows within the layers": batch_norm_group > 0,
        "the stage is spread over several processes": distributed.size() > 1,
        "a further term of the loss takes features from within the network": any(
            layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules()
        ),
    }
    if found := [reason for reason, holds in reasons.items() if holds]:
        log.warning("the setting compile is ignored in this training: %s", "; ".join(found))
        return False
    compile_network(network)
    return True


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
