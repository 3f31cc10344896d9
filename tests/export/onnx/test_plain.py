"""Exported graphs are plain: other readers of ONNX give the same answers."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from fer_core.export.onnx.export import export_network
from fer_core.export.onnx.plain import SHAPE_ARITHMETIC, with_global_pooling
from fer_core.models.networks.backbone import build_classifier
from fer_core.predict.predictor import Predictor
from tests.exports import Exported, faces

SIZE = 64


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(
    "arch",
    [
        "resnet9_w8",
        "test_resnet",
        "test_efficientnet",
        "test_convnext2",
        "repvgg_a0",
        "mobilenetv3_small_050",
        "tf_efficientnet_lite0_first12",
    ],
)
def test_no_network_computes_shapes_and_the_answer_stays(arch: str) -> None:
    torch.manual_seed(0)
    network = build_classifier(arch, SIZE).eval()
    images = torch.randn(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        expected = network(images).numpy()
    model = export_network(network, SIZE, 18)
    assert not operators(model) & SHAPE_ARITHMETIC
    assert "GlobalAveragePool" in operators(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"normalised": images.numpy()})
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_opencv_reads_the_deployed_file(exported: Exported, batch: int) -> None:
    predictor = Predictor(exported.files["fp32"], threads=1)
    prepared = predictor.prepare(faces(batch))
    expected = predictor.run(prepared)
    network = cv2.dnn.readNetFromONNX(str(exported.files["fp32"]))
    network.setInput(prepared.astype(np.float32), "image")
    logits, probabilities = network.forward(["logits", "probabilities"])
    np.testing.assert_allclose(logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)


def graph_of(axes: list[int], keepdims: int) -> onnx.ModelProto:
    """y = mean of x [2, 3, 4, 5] over axes."""
    shape = [2, 3, 1, 1] if keepdims else None
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=keepdims, name="mean")],
        "mean",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 4, 5])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(axes), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_height_and_width_is_pooling(keepdims: int) -> None:
    model = with_global_pooling(graph_of([2, 3], keepdims))
    assert operators(model) == {"GlobalAveragePool"} | ({"Flatten"} if not keepdims else set())
    assert not model.graph.initializer
    values = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": values})
    np.testing.assert_allclose(
        found, values.mean((2, 3), keepdims=bool(keepdims)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("axes", [[1, 2], [3], [-1, -2]])
def test_other_means_stay(axes: list[int]) -> None:
    assert operators(with_global_pooling(graph_of(axes, 1))) == {"ReduceMean"}
