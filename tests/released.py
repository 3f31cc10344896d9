"""The files of the ready network, and the faces on which other readers of ONNX are held to
onnxruntime's answers.
"""

from functools import cache
from pathlib import Path

import numpy as np

from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import ready_model
from fer_core.sample.portrait import shoot

__all__ = ["RELEASED", "answers", "check_alike", "prepared"]

RELEASED = {
    precision: ready_model().with_name(f"student.{precision}.onnx")
    for precision in ("fp32", "int8")
}
LEAST_ALIKE = 0.99
"""Share of faces with the same answer that is asked of another reader in eight bits."""


@cache
def prepared() -> np.ndarray:
    """Drawn faces as the network takes them, uint8 [350, side, side, 3]."""
    faces = [shoot(5, "readers", i, i % 7, 96, 2, freedom=0.6)[0] for i in range(350)]
    return Predictor(RELEASED["fp32"], threads=1).prepare(faces)


def answers(file: Path) -> np.ndarray:
    """onnxruntime's probabilities [350, 7]."""
    return Predictor(file, threads=1).run(prepared()).probabilities


def check_alike(precision: str, found: np.ndarray, least: float = LEAST_ALIKE) -> None:
    """Single precision within 1e-4; in eight bits, the same answer for nearly all faces."""
    expected = answers(RELEASED[precision])
    assert len(np.unique(expected.argmax(axis=1))) > 4
    if precision == "fp32":
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= least
