"""The released files, and the faces on which other readers of ONNX are held to onnxruntime's
answers.
"""

from functools import cache
from pathlib import Path

import numpy as np

from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model
from fer_core.sample.portrait import shoot
from tests.shipped import ROOT

__all__ = ["LEAST_ALIKE", "READY", "RELEASED", "answers", "check_alike", "prepared"]

READY = {
    precision: ready_model().with_name(f"student.{precision}.onnx")
    for precision in ("fp32", "int8")
}
"""Files of the ready network by precision."""
RELEASED = {
    f"{folder.name} {precision}": folder / f"student.{precision}.onnx"
    for folder in sorted(path.parent for path in ROOT.glob("models/*/provenance.json"))
    if folder.name != "sample"
    for precision in READY
}
"""Files of all networks of real faces, by name and precision."""
LEAST_ALIKE = 0.99
"""Share of faces with the same answer that is asked of another reader in eight bits."""


@cache
def _faces() -> list[np.ndarray]:
    return [shoot(5, "readers", i, i % 7, 96, 2, freedom=0.6)[0] for i in range(210)]


@cache
def prepared(file: Path) -> np.ndarray:
    """Drawn faces as the network of a file takes them, uint8 [210, side, side, 3]."""
    return Predictor(file, threads=1).prepare(_faces())


def answers(file: Path) -> np.ndarray:
    """onnxruntime's probabilities [210, 7]."""
    return Predictor(file, threads=1).run(prepared(file)).probabilities


def check_alike(file: Path, found: np.ndarray, least: float = LEAST_ALIKE) -> None:
    """Single precision within 1e-4; in eight bits, the same answer for nearly all faces."""
    expected = answers(file)
    assert len(np.unique(expected.argmax(axis=1))) > 4
    if "fp32" in file.name:
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= least
