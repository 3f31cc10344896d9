"""What is timed: our own files, the reference network, and others that answer alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from fer_core.predict.onnx_runtime import onnxruntime
from fer_core.predict.predictor import Predictor

__all__ = [
    "CPU",
    "Network",
    "Subject",
    "file_subject",
    "reference_subject",
    "usable_providers",
]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_OTHERS = ("DmlExecutionProvider", "OpenVINOExecutionProvider")


class Network(Protocol):
    """What can be timed: it prepares face crops, and answers for what was prepared."""

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Face crops, RGB uint8 [H, W, 3] each, as the network takes them; the first axis is the
        images.
        """

    def run(self, prepared: np.ndarray) -> object:
        """One call of the network."""


@dataclass(frozen=True)
class Subject:
    """A network to be timed.

    Attributes:
        model, precision: its names in the table; the model called "reference" gives the ratios.
        size: side of the image that it takes, in pixels.
        open: gives it, ready to run, for an onnxruntime provider and a number of threads.
        batched: it takes more than one image at a time.
        file: of the network; None where its memory is not asked for.
    """

    model: str
    precision: str
    size: int
    open: Callable[[str, int], Network]
    batched: bool = True
    file: Path | None = None


def file_subject(model: str, precision: str, path: Path) -> Subject:
    """One of our own files.

    Raises:
        ModelError: as `Predictor` does.
    """
    size = Predictor(path, threads=1).metadata.preprocessing.size
    return Subject(
        model,
        precision,
        size,
        lambda provider, threads: Predictor(path, [provider], threads),
        file=path,
    )


def reference_subject(file: Path) -> Subject:
    """The reference network, which gives the ratios, from its file."""
    return file_subject("reference", "fp32", file)


def usable_providers() -> list[str]:
    """The CPU; CUDA where torch sees a device; DirectML and OpenVINO where onnxruntime was built
    with them. A device that onnxruntime cannot use is an error when it is tried, not a gap.
    """
    offered = onnxruntime.get_available_providers()
    found = [CPU, *(name for name in _OTHERS if name in offered)]
    if torch.cuda.is_available() and CUDA in offered:
        onnxruntime.preload_dlls()
        found.insert(1, CUDA)
    return found
