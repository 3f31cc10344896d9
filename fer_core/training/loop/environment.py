"""What a training run ran on and with, for its record; nothing later depends on it."""

from typing import Any

import torch

from fer_core.base.machine import cpu_model
from fer_core.base.provenance import surroundings
from fer_core.base.settings import project_root
from fer_core.models.devices import distributed

__all__ = ["environment"]


def environment(device: torch.device, compiled: bool) -> dict[str, Any]:
    """Plain values for JSON: what `surroundings` says, processor, processes, threads, device and
    its number formats.
    """
    return surroundings(project_root()) | {
        "processor": cpu_model(),
        "processes": distributed.size(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "compiled": compiled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul": torch.get_float32_matmul_precision(),
    }
