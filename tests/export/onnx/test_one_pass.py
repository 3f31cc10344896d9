"""A network that answers for mirror images is exported as one pass over faces and their mirrors."""

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from fer_core.export.onnx.export import export_network
from fer_core.export.onnx.plain import SHAPE_ARITHMETIC
from fer_core.models.networks.mirrored import Mirrored
from tests.models.networks.learned import learned

SIZE = 64


@pytest.mark.parametrize("arch", ["tf_efficientnet_lite0_first12", "test_resnet", "resnet9_w8"])
def test_its_file_has_each_layer_once_and_answers_alike(arch: str) -> None:
    single = learned(arch, SIZE)
    mirrored = Mirrored(single, SIZE)
    alone, both = (export_network(one, SIZE, 18) for one in (single, mirrored))
    assert both.ByteSize() < 1.1 * alone.ByteSize()
    operators = [node.op_type for node in both.graph.node]
    assert operators.count("Conv") == [node.op_type for node in alone.graph.node].count("Conv")
    assert operators.count("Gather") == 1 and "BatchNormalization" not in operators
    assert not (SHAPE_ARITHMETIC - {"Gather"}) & set(operators)
    session = onnxruntime.InferenceSession(
        both.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    reader = cv2.dnn.readNetFromONNX(np.frombuffer(both.SerializeToString(), np.uint8))
    for count in (1, 3):
        images = torch.randn(count, 3, SIZE, SIZE)
        with torch.inference_mode():
            expected = mirrored(images).numpy()
        (found,) = session.run(None, {"normalised": images.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-4)
        reader.setInput(images.numpy())
        np.testing.assert_allclose(reader.forward(), expected, atol=1e-4)
