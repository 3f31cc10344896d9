"""No batch norm stays in an exported network, not even where convolutions share their weights."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

from fer_core.export.onnx.export import export_network
from fer_core.export.onnx.folding import with_folded_norms
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
def test_a_network_that_answers_for_mirror_images_keeps_no_norm(arch: str) -> None:
    torch.manual_seed(0)
    network = Mirrored(learned(build_classifier(arch, SIZE)), SIZE)
    images = torch.randn(3, 3, SIZE, SIZE)
    with torch.inference_mode():
        expected = network(images).numpy()
    model = export_network(network, SIZE, 18)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    shared = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    assert 2 * len(shared) == sum(node.op_type == "Conv" for node in model.graph.node)
    np.testing.assert_allclose(answers(model, {"normalised": images.numpy()}), expected, atol=1e-4)


def graph(also_read: bool, constant: bool, bias: bool) -> ModelProto:
    """y = norm of the convolution of x [1, 2, 5, 5]; perhaps the convolution is an output too, or a
    weight of the norm is given from outside.
    """
    rng = np.random.default_rng(0)
    shapes = {"w": (3, 2, 3, 3), "b": (3,), "scale": (3,), "shift": (3,), "mean": (3,)}
    values = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    values["variance"] = rng.uniform(0.5, 2, 3).astype(np.float32)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 5, 5])]
    if not constant:
        del values["scale"]
        inputs.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, [3]))
    names = ["y", "c"] if also_read else ["y"]
    norm = ["c", "scale", "shift", "mean", "variance"]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"] if bias else ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", norm, ["y"], epsilon=1e-3),
    ]
    made = helper.make_graph(
        nodes,
        "norm",
        inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 3, 3]) for name in names],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize(
    ("also_read", "constant", "bias", "folded"),
    [
        (False, True, True, True),
        (False, True, False, True),
        (True, True, True, False),
        (False, False, True, False),
    ],
)
def test_a_norm_is_folded_where_it_alone_reads_the_convolution_and_is_known(
    also_read: bool, constant: bool, bias: bool, folded: bool
) -> None:
    model = graph(also_read, constant, bias)
    given = {"x": np.random.default_rng(1).normal(size=(1, 2, 5, 5)).astype(np.float32)}
    if not constant:
        given["scale"] = np.ones(3, dtype=np.float32)
    expected = answers(model, given)
    changed = with_folded_norms(model)
    onnx.checker.check_model(changed, full_check=True)
    assert [node.op_type for node in changed.graph.node] == (
        ["Conv"] if folded else ["Conv", "BatchNormalization"]
    )
    assert len(changed.graph.initializer) == (2 if folded else 6 if constant else 5)
    np.testing.assert_allclose(answers(changed, given), expected, atol=1e-5)


def answers(model: ModelProto, given: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, given)[0])
