"""Other readers of ONNX answer as onnxruntime does on the files of the ready network.

The page's reader, onnxruntime-web, is asked in `tests/web/test_released.py`.
"""

import cv2
import numpy as np
import onnx
import openvino
import pytest

from tests.released import RELEASED, check_alike, prepared

OPENVINO_ALIKE = 0.97
"""Of OpenVINO, which works out eight bits in another way: the same answer for 0.994 of FER2013's
faces, and for fewer of these drawn ones (docs/performance.md).
"""


@pytest.mark.parametrize("precision", RELEASED)
def test_opencv_answers_alike(precision: str) -> None:
    network = cv2.dnn.readNetFromONNX(str(RELEASED[precision]))
    found = []
    for face in prepared():
        network.setInput(face[None].astype(np.float32), "image")
        found.append(network.forward("probabilities")[0].copy())
    check_alike(precision, np.array(found))


@pytest.mark.parametrize("precision", RELEASED)
def test_openvino_answers_alike(precision: str) -> None:
    core = openvino.Core()
    model = core.read_model(onnx.load(RELEASED[precision]).SerializeToString())
    exact = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", exact)
    found = [compiled({"image": face[None]})["probabilities"][0].copy() for face in prepared()]
    check_alike(precision, np.array(found), OPENVINO_ALIKE)
