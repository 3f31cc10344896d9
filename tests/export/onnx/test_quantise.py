import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import ModelProto, TensorProto, helper, numpy_helper
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from fer_core.base.errors import ModelError
from fer_core.evaluation.calibration.calibrators import Temperature
from fer_core.export.onnx.export import export_network, save_networks
from fer_core.export.onnx.options import Int8Options
from fer_core.export.onnx.quantise import (
    Quantised,
    Ranges,
    divergence,
    fixed_in_float,
    quantise,
    read_ranges,
    to_int8,
)
from fer_core.predict.predictor import Predictor
from tests.exports import PREPROCESSING, Exported, faces

ROOT = Path(__file__).parents[3]
SIZE = PREPROCESSING.size


class Excited(nn.Module):
    """Stem, layer, squeeze-and-excitation, layer, pooling, classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.middle = nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(8, 8, 3)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.last, self.classifier = nn.Conv2d(8, 16, 3), nn.Linear(16, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.middle(self.stem(images).relu()).relu()
        gate = self.excite(self.squeeze(maps.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return self.classifier(self.last(maps * gate).relu().mean((2, 3)))


def normalised(count: int) -> np.ndarray:
    pixels = (
        np.stack([PREPROCESSING.prepare(face) for face in faces(count)]).transpose(0, 3, 1, 2) / 255
    )
    mean, std = (
        np.array(values).reshape(1, 3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std)
    )
    return np.ascontiguousarray((pixels - mean) / std, dtype=np.float32)


def scaled_adder() -> ModelProto:
    """logits = relu(normalised * 1x1 convolution of weight [2, -1]) over one channel, by hand."""
    weight = numpy_helper.from_array(
        np.array([2, -1], dtype=np.float32).reshape(2, 1, 1, 1), "weight"
    )
    nodes = [
        helper.make_node("Conv", ["normalised", "weight"], ["maps"], name="conv"),
        helper.make_node("Relu", ["maps"], ["logits"], name="relu"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", depth, 1, 2])
        for name, depth in (("normalised", 1), ("logits", 2))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 9
    return onnx.shape_inference.infer_shapes(model)


@pytest.fixture(scope="module")
def network() -> ModelProto:
    return export_network(Excited().eval(), SIZE, 18)


@pytest.fixture(scope="module")
def student(exported: Exported) -> ModelProto:
    return export_network(exported.network, SIZE, 18)


@pytest.fixture(scope="module")
def quantised(student: ModelProto) -> Quantised:
    return quantise(student, normalised(64), Temperature(1.7), Int8Options(max_kl=1e-3))


def weights(model: ModelProto) -> dict[int, int]:
    """Number of constants of four axes by type."""
    kinds = [item.data_type for item in model.graph.initializer if len(item.dims) == 4]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def test_first_layer_classifier_and_excitation_stay_in_float(network: ModelProto) -> None:
    found = fixed_in_float(network)
    layers = [node.name for node in network.graph.node if node.op_type in ("Conv", "Gemm")]
    stem, middle, squeeze, excite, last, classifier = layers
    assert (found[stem], found[classifier]) == ("first layer", "classifier")
    assert found[squeeze] == found[excite] == "works on pooled maps"
    assert not {middle, last} & set(found)


def test_ranges_are_the_least_and_greatest_value_on_each_face() -> None:
    images = np.array([[1, -3], [4, 2], [0, 0]], dtype=np.float32).reshape(3, 1, 1, 2)
    found = read_ranges(scaled_adder(), images)
    np.testing.assert_array_equal(found.extremes["normalised"], [[-3, 1], [2, 4], [0, 0]])
    np.testing.assert_array_equal(found.extremes["maps"], [[-6, 3], [-4, 8], [0, 0]])
    np.testing.assert_array_equal(found.extremes["logits"], [[0, 3], [0, 8], [0, 0]])


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.just(2)),
        elements=st.floats(-1e3, 1e3, width=32),
    ),
    st.sampled_from([1.0, 0.99, 0.9]),
)
def test_range_holds_the_extremes_of_its_share_of_the_faces(
    values: np.ndarray, share: float
) -> None:
    values = np.sort(values, axis=1)
    low, high = Ranges({"x": values}, np.zeros((len(values), 7))).covering(share)["x"]
    slack = 1e-3 * np.abs(values).max() + 1e-30
    assert np.mean(values[:, 0] >= low - slack) >= share - 1e-9
    assert np.mean(values[:, 1] <= high + slack) >= share - 1e-9
    assert low >= values[:, 0].min() - slack and high <= values[:, 1].max() + slack


def test_weights_have_a_scale_for_each_output_channel_and_round_to_the_nearest_step(
    network: ModelProto,
) -> None:
    shaped = onnx.shape_inference.infer_shapes(network, data_prop=True)
    ranges = read_ranges(shaped, normalised(8)).covering(1.0)
    made = to_int8(shaped, ranges, list(fixed_in_float(shaped)))
    before = {item.name: numpy_helper.to_array(item) for item in network.graph.initializer}
    after = {item.name: numpy_helper.to_array(item) for item in made.graph.initializer}
    name = next(key for key in before if "middle.weight" in key and before[key].ndim == 4)
    steps = after[f"{name}_quantized"]
    scale = np.abs(before[name]).max(axis=(1, 2, 3)) / 64
    assert steps.dtype == np.int8 and after[f"{name}_scale"].shape == (8,)
    np.testing.assert_allclose(after[f"{name}_scale"], scale, rtol=1e-5)
    assert (
        np.abs(steps * scale[:, None, None, None] - before[name])
        <= 0.5001 * scale[:, None, None, None]
    ).all()
    assert weights(made) == {TensorProto.FLOAT: 3, TensorProto.INT8: 2}


def test_eight_bit_student_answers_nearly_as_the_float_one(
    quantised: Quantised, exported: Exported, tmp_path: Path
) -> None:
    path = save_networks({"int8": quantised.network}, exported.metadata, tmp_path, "student")[
        "int8"
    ]
    assert path.stat().st_size < 0.5 * exported.files["fp32"].stat().st_size
    images = faces(60)
    found, wanted = (
        Predictor(path, threads=1).predict(images),
        Predictor(exported.files["fp32"], threads=1).predict(images),
    )
    assert Predictor(path, threads=1).metadata.precision == "int8"
    assert np.mean(found.logits.argmax(1) == wanted.logits.argmax(1)) > 0.9
    assert 0 < np.abs(found.probabilities - wanted.probabilities).max() < 0.15
    np.testing.assert_allclose(softmax(found.logits / 1.7, axis=1), found.probabilities, atol=1e-5)


def test_normalisation_and_softmax_are_not_quantised(
    quantised: Quantised, exported: Exported, tmp_path: Path
) -> None:
    model = onnx.load(
        save_networks({"int8": quantised.network}, exported.metadata, tmp_path, "student")["int8"]
    )
    near = {
        "image",
        "planes",
        "pixels",
        "scaled",
        "normalised",
        "logits",
        "tempered",
        "probabilities",
    }
    touched = {
        name
        for node in model.graph.node
        if "Linear" in node.op_type
        for name in [*node.input, *node.output]
    }
    assert touched and not near & touched
    assert [(item.domain, item.version) for item in model.opset_import if item.domain == ""] == [
        ("", 18)
    ]


def test_stricter_bound_leaves_more_layers_in_float_and_names_them(
    student: ModelProto, quantised: Quantised
) -> None:
    images = normalised(64)
    loose = quantise(student, images, Temperature(1.7), Int8Options(max_kl=10.0))
    assert set(loose.in_float.values()) == {"first layer", "classifier"}
    bound = loose.kl / 4
    strict = quantise(student, images, Temperature(1.7), Int8Options(max_kl=bound))
    assert strict.kl <= bound and strict.layers < loose.layers
    assert strict.layers + len(strict.in_float) == loose.layers + len(loose.in_float)
    assert any("alone moves the probabilities" in reason for reason in strict.in_float.values())
    assert strict.to_dict().keys() == {"faces", "coverage", "layers", "in_float", "kl"}


def test_layer_that_serves_badly_is_the_one_left_out() -> None:
    torch.manual_seed(0)
    broken = Excited().eval()
    with torch.no_grad():  # one channel so large that the steps of its range swallow all the others
        broken.middle.weight[0] *= 3000
        broken.squeeze.weight[:, 0] = broken.last.weight[:, 0] = 0
        broken.classifier.weight *= 8
    model = export_network(broken, SIZE, 18)
    found = quantise(model, normalised(32), Temperature(1.0), Int8Options(max_kl=1e-4))
    layers = [node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    assert "alone moves" in found.in_float.get(
        layers[1], ""
    ) or "alone moves" in found.in_float.get(layers[4], "")


def test_divergence_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 7))
    assert divergence(a, b, Temperature(2.0)) == pytest.approx(
        entropy(softmax(a / 2, axis=1), softmax(b / 2, axis=1), axis=1).mean()
    )
    assert divergence(a, a, Temperature(2.0)) == 0


def test_same_faces_give_the_same_bytes(student: ModelProto, quantised: Quantised) -> None:
    again = quantise(student, normalised(64), Temperature(1.7), Int8Options(max_kl=1e-3))
    assert again.network.SerializeToString(
        deterministic=True
    ) == quantised.network.SerializeToString(deterministic=True)


def small_bytes() -> bytes:
    network = export_network(Excited().eval(), SIZE, 18)
    made = quantise(network, normalised(16), Temperature(1.0), Int8Options(max_kl=1e-6))
    return made.network.SerializeToString(deterministic=True)


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """The hashes of texts, which order sets, differ from process to process."""
    code = f"""
from pathlib import Path
from tests.export.onnx.test_quantise import small_bytes
Path({str(tmp_path / "other")!r}).write_bytes(small_bytes())
"""
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "5", "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert (tmp_path / "other").read_bytes() == small_bytes()


def test_without_faces_or_layers_there_is_nothing_to_quantise(student: ModelProto) -> None:
    with pytest.raises(ModelError, match="needs faces"):
        quantise(student, normalised(1)[:0], Temperature(1.0), Int8Options())
    with pytest.raises(ModelError, match="no layer"):
        quantise(
            scaled_adder(), np.ones((2, 1, 1, 2), dtype=np.float32), Temperature(1.0), Int8Options()
        )
