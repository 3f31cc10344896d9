"""A graph that any reader of ONNX knows: global pooling is one `GlobalAveragePool` node.

torch's exporter writes an adaptive pooling to 1 x 1 as a dozen nodes that compute shapes, which
OpenCV's reader, for one, does not know.
"""

from collections.abc import Iterator

import torch
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper
from torch import nn

__all__ = ["SHAPE_ARITHMETIC", "with_global_pooling", "with_plain_pooling"]

SHAPE_ARITHMETIC = frozenset({"Shape", "Range", "Gather", "Size"})
"""Operators that no exported network holds."""

_ONE = (1, (1, 1))


class _GlobalAverage(nn.Module):
    """Mean over height and width: [N, C, H, W] to [N, C, 1, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3), keepdim=True)


def with_plain_pooling(network: nn.Module) -> nn.Module:
    """The network with each adaptive average pooling to 1 x 1 as a plain mean, which is the same
    function. The network itself is changed.
    """
    for holder in list(network.modules()):
        for name, child in list(holder.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size in _ONE:
                setattr(holder, name, _GlobalAverage())
    return network


def with_global_pooling(model: ModelProto) -> ModelProto:
    """Replace means over height and width by `GlobalAveragePool`, and drop nodes and constants that
    nothing needs. The model itself is changed.
    """
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = []
    for node in graph.node:
        axes = constants.get(node.input[1]) if node.op_type == "ReduceMean" else None
        if axes is None or sorted(axes.tolist()) != [2, 3]:
            nodes.append(node)
            continue
        nodes.extend(_pooled(node))
    needed = _needed(nodes, {item.name for item in graph.output})
    del graph.node[:]
    graph.node.extend(needed)
    used = {name for node in needed for name in node.input}
    _keep(graph, used)
    return model


def _pooled(node: NodeProto) -> Iterator[NodeProto]:
    keeps = next((item.i for item in node.attribute if item.name == "keepdims"), 1)
    (out,) = node.output
    inner = out if keeps else f"{out}_pooled"
    yield helper.make_node("GlobalAveragePool", [node.input[0]], [inner], name=node.name)
    if not keeps:
        yield helper.make_node("Flatten", [inner], [out], name=f"{node.name}_flat", axis=1)


def _needed(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]


def _keep(graph: GraphProto, used: set[str]) -> None:
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
