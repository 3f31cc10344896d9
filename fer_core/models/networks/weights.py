"""Weights as a safetensors file: no pickle, the same bytes for the same tensors."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from fer_core.base.errors import WriteError

__all__ = ["write_weights"]


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a network's state to a file.

    Args:
        path: of the file, in a folder that is there.
        weights: on any device.

    Raises:
        WriteError: the disk is full or not writable.
    """
    try:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, path
        )
    except SafetensorError as error:
        raise WriteError(
            "The weights could not be written.",
            where=path,
            found=error,
            remedy="free disk space, then run again",
        ) from error
