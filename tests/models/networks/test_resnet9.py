"""ResNet-9 of any width, and networks whose branches become one convolution in the exported file."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto

from fer_core.base.errors import ModelError
from fer_core.export.onnx.export import export_network
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier, build_trunk, load_resized
from fer_core.models.networks.resnet9 import width_of
from tests.models.networks.learned import learned

IMAGES = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def by_onnx(model: ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(None, {"normalised": IMAGES.numpy()})
    return np.asarray(logits)


def test_a_width_is_that_of_the_name() -> None:
    assert (width_of("resnet9_w4"), width_of("resnet9_w256")) == (4, 256)
    for name in (
        "resnet9",
        "resnet9_w3",
        "resnet9_w257",
        "resnet9_w20x",
        "resnet9_w-8",
        "resnet10t",
    ):
        assert width_of(name) is None


@pytest.mark.parametrize(("width", "millions"), [(20, 0.64), (32, 1.645)])
def test_size_is_that_of_the_published_network_at_this_width(width: int, millions: float) -> None:
    network = build_classifier(f"resnet9_w{width}", 48)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


def test_a_trunk_gives_the_features_and_serves_a_teacher_at_any_size() -> None:
    assert build_trunk("resnet9_w4", 48)(IMAGES).shape == (3, 32)
    small, large = (ArcFaceNetwork("resnet9_w4", size, 16, 0.2, 16.0) for size in (48, 64))
    load_resized(small.trunk.state_dict(), large.trunk)
    assert large(torch.randn(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arch", "operators"),
    [
        ("resnet9_w8", {"Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Reshape", "Gemm"}),
        ("repvgg_a0", {"Conv", "Relu", "GlobalAveragePool", "Reshape", "Gemm"}),
    ],
)
def test_the_exported_graph_is_plain_and_gives_the_same_logits(
    arch: str, operators: set[str]
) -> None:
    """Oracle: torch's own forward pass, with branches and batch normalisation."""
    network = learned(arch, 48)
    model = export_network(network, 48, 18)
    assert {node.op_type for node in model.graph.node} == operators
    with torch.inference_mode():
        expected = network(IMAGES).numpy()
    assert np.allclose(by_onnx(model), expected, atol=1e-4 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("arch", ["resnet9", "resnet9_w1000"])
def test_another_name_is_refused_and_the_error_tells_the_widths(arch: str) -> None:
    with pytest.raises(ModelError, match="resnet9_w4 to resnet9_w256"):
        build_classifier(arch, 48)
