"""Tiny networks and tables of others."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fer_core.base.labels import CLASSES
from fer_core.outside.described.options import OutsideEntry

ORDER = ("Neutral", "Happy", None, "Surprise", "Sad", "Angry", "Fear", "Disgust")
"""What the network's outputs mean; the third one is contempt."""
COLUMNS = [ORDER.index(name) for name in CLASSES]
UNKNOWN = {"trained_on": "unknown", "overlap": "unknown"}


def weights(channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Matrix [channels, 8] and bias [8]."""
    random = np.random.default_rng(5)
    return (
        random.normal(0, 2, (channels, 8)).astype(np.float32),
        random.normal(0, 0.3, 8).astype(np.float32),
    )


def write_network(
    path: Path,
    side: int,
    *,
    channels: int = 3,
    layout: str = "nchw",
    batch: int | str = "N",
    softmax: bool = False,
) -> None:
    """A network whose answers follow the mean of each channel linearly."""
    matrix, bias = weights(channels)
    axes = [2, 3] if layout == "nchw" else [1, 2]
    shape = [batch, channels, side, side] if layout == "nchw" else [batch, side, side, channels]
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["sums"]),
        helper.make_node("Softmax" if softmax else "Identity", ["sums"], ["answers"]),
    ]
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, [batch, 8])],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))


def network_entry(file: str, side: int, /, **changes: Any) -> dict[str, Any]:
    """Its entry of section `teachers`."""
    takes = {"side": side} | changes.pop("preprocessing", {})
    return {"onnx": file, "preprocessing": takes, "classes": list(ORDER), **UNKNOWN, **changes}


def parsed(entry: dict[str, Any]) -> OutsideEntry:
    return OutsideEntry.model_validate(entry)
