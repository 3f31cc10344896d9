"""A network that answers for mirror images is exported as one pass over faces and their mirrors."""

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from fer_core.export.onnx.export import export_network
from fer_core.export.onnx.plain import SHAPE_ARITHMETIC
from fer_core.logits.mirrored import Mirrored
from fer_core.models.networks.backbone import build_classifier

SIZE = 64


def learned(network: nn.Module) -> nn.Module:
    """The network with norms that are not the identity."""
    generator = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, least in ((norm.weight, 0.5), (norm.bias, -0.5), (norm.running_var, 0.5)):
                assert values is not None
                values.data = torch.rand(values.shape, generator=generator) + least
    return network.eval()


@pytest.mark.parametrize("arch", ["tf_efficientnet_lite0_first12", "test_resnet", "resnet9_w8"])
def test_its_file_has_each_layer_once_and_answers_alike(arch: str) -> None:
    torch.manual_seed(0)
    single = learned(build_classifier(arch, SIZE))
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
