"""Fixed faces and what a released network says of them, so that a copy can be checked without any
data set.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.base.labels import N_CLASSES
from fer_core.predict.predictor import Predictor
from fer_core.sample.portrait import shoot

__all__ = ["TOLERANCE", "check_answers", "fixed_faces", "write_answers"]

TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3, "int8": 0.05}
"""Largest difference of a probability between two processors; 8-bit kernels round differently."""

_SIDE = 96


def fixed_faces() -> list[np.ndarray]:
    """One drawn face of each class, RGB, uint8 [96, 96, 3]; the same everywhere."""
    return [
        np.ascontiguousarray(shoot(2024, "release", label, label, _SIDE, 2, freedom=0.3)[0])
        for label in range(N_CLASSES)
    ]


def write_answers(path: Path, networks: Mapping[str, Predictor]) -> None:
    """Write the probabilities that each precision's network gives for the fixed faces."""
    write_json(path, {name: found.round(6).tolist() for name, found in _answers(networks)})


def check_answers(path: Path, networks: Mapping[str, Predictor]) -> None:
    """Compare what the networks say here with what was written.

    Raises:
        ArtifactError: a precision is missing or answers otherwise; names it.
    """
    written = read_json(path)
    for precision, found in _answers(networks):
        expected = np.array(written.get(precision, np.nan), dtype=np.float64)
        off = np.abs(found - expected).max() if expected.shape == found.shape else np.inf
        if not off <= TOLERANCE[precision]:
            raise ArtifactError(
                "This network does not give the answers it was released with.",
                where=path.with_name(f"student.{precision}.onnx"),
                found=f"a probability differs by {off:.2g}",
                expected=f"at most {TOLERANCE[precision]}",
                remedy="take the file from the release again",
            )


def _answers(networks: Mapping[str, Predictor]) -> Iterator[tuple[str, np.ndarray]]:
    """Of each precision the probabilities, float32 [7, 7]."""
    faces = fixed_faces()
    for precision, network in networks.items():
        yield precision, network.predict(faces).probabilities
