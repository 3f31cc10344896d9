"""TensorFlow.js graphs as ONNX: a tiny one against numpy, and what is refused."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.peers.tfjs import convert
from fer_core.base.errors import ArtifactError
from fer_core.predict.onnx_runtime import onnxruntime

RNG = np.random.default_rng(0)
WEIGHTS = {
    "ends": np.array([[0, 0], [0, 1], [0, 1], [0, 0]], dtype=np.int32),
    "kernel": RNG.normal(size=(3, 3, 2, 4)).astype(np.float16),
    "bias": RNG.normal(size=4).astype(np.float32),
    "apart": RNG.normal(size=(3, 3, 4, 1)).astype(np.float32),
    "axes": np.array([1, 2], dtype=np.int32),
    "matrix": RNG.normal(size=(4, 7)).astype(np.float32),
    "offset": RNG.normal(size=7).astype(np.float32),
}


def text(value: str) -> str:
    return b64encode(value.encode()).decode()


def node(
    name: str, op: str, inputs: list[str], fused: list[str] | None = None, **lists: Any
) -> Any:
    attr: dict[str, Any] = {key: {"list": {"i": value}} for key, value in lists.items()}
    if fused is not None:
        attr["fused_ops"] = {"list": {"s": [text(one) for one in fused]}}
    return {"name": name, "op": op, "input": inputs, "attr": attr}


def conv(name: str, op: str, inputs: list[str], fused: list[str], padding: str, by: int) -> Any:
    made = node(name, op, inputs, fused, strides=["1", by, by, "1"], dilations=["1"] * 4)
    made["attr"]["padding"] = {"s": text(padding)}
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shape = {"dim": [{"size": size} for size in ("-1", "7", "7", "2")]}
    pool = node("pool", "MaxPool", ["b"], strides=["1", 2, 2, "1"], ksize=["1", 3, 3, "1"])
    pool["attr"]["padding"] = {"s": text("SAME")}
    mean = node("mean", "Mean", ["sum", "axes"])
    mean["attr"]["keep_dims"] = {"b": False}
    nodes = [
        {"name": "x", "op": "Placeholder", "attr": {"shape": {"shape": shape}}},
        *({"name": name, "op": "Const", "attr": {}} for name in WEIGHTS),
        node("padded", "Pad", ["x", "ends"]),
        conv("a", "_FusedConv2D", ["padded", "kernel", "bias"], ["BiasAdd", "Relu6"], "VALID", 2),
        conv("b", "DepthwiseConv2dNative", ["a", "apart"], [], "SAME", 1),
        pool,
        node("relu", "Relu", ["pool"]),
        node("sum", "AddV2", ["relu", "pool:0"]),
        mean,
        node("logits", "_FusedMatMul", ["mean", "matrix", "offset"], ["BiasAdd"]),
        node("p", "Softmax", ["logits"]),
        node("Identity", "Identity", ["p"]),
    ]
    listed = [
        {
            "name": name,
            "shape": values.shape,
            "dtype": "float32",
            "quantization": {"dtype": "float16"},
        }
        if values.dtype == np.float16
        else {"name": name, "shape": values.shape, "dtype": values.dtype.name}
        for name, values in WEIGHTS.items()
    ]
    data = b"".join(values.tobytes() for values in WEIGHTS.values())
    (tmp_path / "w-1.bin").write_bytes(data[:50])
    (tmp_path / "w-2.bin").write_bytes(data[50:])
    manifest = [{"paths": ["w-1.bin", "w-2.bin"], "weights": listed}]
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": manifest}))
    return path


def windows(image: np.ndarray, by: int) -> np.ndarray:
    found = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
    return found[:, ::by, ::by]  # [n, h, w, c, 3, 3]


def expected(x: np.ndarray) -> np.ndarray:
    w = {name: values.astype(np.float64) for name, values in WEIGHTS.items()}
    x = np.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])
    x = np.einsum("nhwcij,ijco->nhwo", windows(x, 2), w["kernel"]) + w["bias"]
    x = np.pad(np.clip(x, 0, 6), [(0, 0), (1, 1), (1, 1), (0, 0)])
    x = np.einsum("nhwcij,ijcm->nhwc", windows(x, 1), w["apart"])
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)  # 3 px by 2: 1 and 1
    x = windows(x, 2).max(axis=(-1, -2))
    x = (np.maximum(x, 0) + x).mean(axis=(1, 2)) @ w["matrix"] + w["offset"]
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_a_tiny_graph_answers_as_numpy_does(model: Path) -> None:
    x = np.random.default_rng(1).normal(size=(5, 7, 7, 2)).astype(np.float32)
    session = onnxruntime.InferenceSession(convert(model).SerializeToString())
    (found,) = session.run(None, {"x": x})
    assert found.shape == (5, 7)
    np.testing.assert_allclose(found, expected(x), atol=1e-6)


def change(model: Path, what: str, by: str) -> None:
    model.write_text(model.read_text().replace(what, by))


def test_what_is_no_whole_graph_model_is_refused(model: Path) -> None:
    (model.parent / "w-2.bin").write_bytes(b"short")
    with pytest.raises(ArtifactError, match=r"(?s)not as many.*w-1\.bin.*55 bytes"):
        convert(model)
    (model.parent / "w-2.bin").unlink()
    with pytest.raises(ArtifactError, match=r"(?s)Weights of the model are missing.*w-2\.bin"):
        convert(model)
    model.write_text("[]")
    with pytest.raises(ArtifactError, match=r"no TensorFlow\.js graph model"):
        convert(model)
    with pytest.raises(ArtifactError, match="missing"):
        convert(model.with_name("none.json"))


@pytest.mark.parametrize(
    ("what", "by", "says"),
    [
        ("AddV2", "AddN", "(?s)operation of the model is not known.*sum.*AddN"),
        (text("Relu6"), text("Elu"), "(?s)fused operation is not known.*Elu"),
        ('"float16"', '"uint8"', "(?s)type are not known.*kernel.*uint8"),
    ],
)
def test_what_the_converter_does_not_know_is_named(
    model: Path, what: str, by: str, says: str
) -> None:
    change(model, what, by)
    with pytest.raises(ArtifactError, match=says):
        convert(model)
