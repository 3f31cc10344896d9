"""Batch norms as part of the convolutions before them.

torch's exporter folds them itself, but not where two convolutions share weights, as in a network
that is run on a face and on its mirror image. What stays then keeps a reader from computing the
convolution in 8 bits.
"""

from collections import Counter

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from fer_core.export.onnx.plain import keep_constants

__all__ = ["with_folded_norms"]

_DEFAULT_EPSILON = 1e-5  # of ONNX


def with_folded_norms(model: ModelProto) -> ModelProto:
    """Fold each BatchNormalization into the Conv that it alone reads, which is the same function up
    to rounding (Jacob et al., CVPR 2018, 3.2). Convolutions that shared their weights and norm
    still do. The model itself is changed.
    """
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(item.name for item in graph.output)
    makers = {node.output[0]: node for node in graph.node if node.op_type == "Conv"}
    nodes: list[NodeProto] = []
    for node in graph.node:
        conv = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or readers[conv.output[0]] > 1 or not _are_constant(node, conv, constants):
            nodes.append(node)
            continue
        weight, bias = (f"{conv.input[1]}.{node.input[1]}.{part}" for part in ("weight", "bias"))
        if weight not in constants:
            constants[weight], constants[bias] = _folded(node, conv, constants)
            for name in (weight, bias):
                graph.initializer.append(numpy_helper.from_array(constants[name], name))
        del conv.input[1:]
        conv.input.extend([weight, bias])
        conv.output[0] = node.output[0]
    del graph.node[:]
    graph.node.extend(nodes)
    keep_constants(graph, {name for node in nodes for name in node.input})
    return model


def _are_constant(norm: NodeProto, conv: NodeProto, constants: dict[str, np.ndarray]) -> bool:
    return all(name in constants for name in (*norm.input[1:], *conv.input[1:]))


def _folded(
    norm: NodeProto, conv: NodeProto, constants: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the convolution with the norm in it, worked out in double precision."""
    scale, shift, mean, variance = (constants[name].astype(np.float64) for name in norm.input[1:])
    epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), _DEFAULT_EPSILON)
    factor = scale / np.sqrt(variance + epsilon)
    weight = constants[conv.input[1]]
    bias = constants[conv.input[2]] if len(conv.input) > 2 else np.zeros(len(factor))
    per_channel = factor.reshape(-1, *[1] * (weight.ndim - 1))
    return (
        (weight * per_channel).astype(weight.dtype),
        ((bias - mean) * factor + shift).astype(weight.dtype),
    )
