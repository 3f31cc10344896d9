"""8-bit copy of an exported network: QDQ format, weights int8 by output channel, activations uint8,
ranges from real faces.

What an 8-bit number serves badly stays in single precision. By rule: the first layer (it sees the
pixels), the classifier (it gives the logits), what works on pooled maps alone
(squeeze-and-excitation and what follows the last pooling: little work, wide ranges) and every
operator that is not in `OPERATORS`, such as hard-swish and the product with an excitation. By
measurement: if the network so made is farther from the float one than allowed, the layers that
alone do the most harm, as many as are needed.

The same network and faces give the same bytes: all sessions here run on one thread, and ranges are
rounded.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.transformers.onnx_model import OnnxModel
from tqdm import tqdm

from fer_core.base.errors import ModelError
from fer_core.base.logs import progress_off
from fer_core.evaluation.calibration.calibrators import Calibrator
from fer_core.evaluation.metrics.metrics import log_softmax
from fer_core.export.onnx.options import Int8Options
from fer_core.predict.metadata import LOGITS
from fer_core.predict.onnx_runtime import onnxruntime

__all__ = [
    "OPERATORS",
    "Quantised",
    "Ranges",
    "divergence",
    "fixed_in_float",
    "quantise",
    "read_ranges",
    "to_int8",
]

log = logging.getLogger(__name__)

LAYERS = ("Conv", "Gemm", "MatMul")
OPERATORS = (*LAYERS, "Add", "AveragePool", "Clip", "GlobalAveragePool", "MaxPool", "Relu")
"""Operators that are computed in 8 bits; all others stay in single precision."""
_POOLING = ("GlobalAveragePool", "ReduceMean")
COVERAGES = (1.0, 0.99, 0.9)
"""Shares of faces whose extremes a range must hold; the rest is clipped. The one that serves best
is taken.
"""
_FLOAT = onnx.TensorProto.FLOAT


@dataclass(frozen=True)
class Ranges:
    """What the activations were on N faces.

    Attributes:
        extremes: tensor -> least and greatest value on each face, float32 [N, 2].
        logits: of the float network, float32 [N, 7].
    """

    extremes: Mapping[str, np.ndarray]
    logits: np.ndarray

    def covering(self, share: float) -> dict[str, tuple[float, float]]:
        """Tensor -> range that holds the extremes of this share of the faces, rounded: the last
        bits differ between machines.
        """
        ranges = {}
        for name, values in self.extremes.items():
            low = np.quantile(values[:, 0], 1 - share, method="inverted_cdf")
            high = np.quantile(values[:, 1], share, method="inverted_cdf")
            ranges[name] = (float(f"{low:.4g}"), float(f"{high:.4g}"))
        return ranges


@dataclass(frozen=True)
class Quantised:
    """An 8-bit network and how it came to be.

    Attributes:
        network: `normalised` float32 [N, 3, size, size] to `logits` float32 [N, 7].
        faces: that ranges were taken from.
        coverage: share of faces whose extremes the ranges hold.
        layers: in 8 bits.
        in_float: layer left in single precision -> why.
        kl: mean KL divergence from the float network on the faces, in nats.
    """

    network: ModelProto
    faces: int
    coverage: float
    layers: int
    in_float: dict[str, str]
    kl: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the network."""
        values = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "network"
        }
        return values | {"kl": float(f"{self.kl:.2e}")}


def quantise(
    network: ModelProto, faces: np.ndarray, calibrator: Calibrator, options: Int8Options
) -> Quantised:
    """Make the 8-bit network.

    Args:
        network: bare, as `export_network` gives it.
        faces: normalised, float32 [N, 3, size, size]; no test rows, for ranges and the choice of
            layers are fitted to them.
        calibrator: of the probabilities that are compared.
        options: section `deploy.int8`.

    Raises:
        ModelError: no face, or no layer that may be quantised.
    """
    if not len(faces):
        raise ModelError(
            "Quantisation needs faces to take ranges from.",
            remedy="carve calib rows from a data set, or leave int8 out",
        )
    network = onnx.shape_inference.infer_shapes(network, data_prop=True)
    in_float = fixed_in_float(network)
    layers = [node.name for node in network.graph.node if node.op_type in LAYERS]
    free = [name for name in layers if name not in in_float]
    if not free:
        raise ModelError(
            "This network has no layer that may be quantised.",
            found=in_float,
            remedy="leave int8 out of deploy.precisions",
        )
    seen = read_ranges(network, faces)

    def built(coverage: float, left_out: Sequence[str]) -> tuple[ModelProto, float]:
        made = to_int8(network, seen.covering(coverage), left_out)
        return made, divergence(seen.logits, _logits(made, faces), calibrator)

    tried = {coverage: built(coverage, list(in_float)) for coverage in COVERAGES}
    coverage = min(tried, key=lambda share: tried[share][1])
    made, kl = tried[coverage]
    log.info(
        "int8: KL %s by coverage",
        ", ".join(f"{tried[share][1]:.2g} ({share:g})" for share in COVERAGES),
    )
    if kl > options.max_kl:
        harm = {}
        for name in tqdm(
            free, desc="sensitivity", unit="layer", leave=False, disable=progress_off()
        ):
            harm[name] = built(coverage, [other for other in layers if other != name])[1]
        ranked = sorted(free, key=lambda name: (-harm[name], name))
        count = _least_number(
            lambda n: built(coverage, [*in_float, *ranked[:n]])[1] <= options.max_kl,
            len(ranked) - 1,
        )
        in_float |= {
            name: f"alone moves the probabilities by KL {harm[name]:.2g}" for name in ranked[:count]
        }
        made, kl = built(coverage, list(in_float))
    log.info(
        "int8: %d of %d layers, KL %.2g on %d faces",
        len(layers) - len(in_float),
        len(layers),
        kl,
        len(faces),
    )
    return Quantised(made, len(faces), coverage, len(layers) - len(in_float), in_float, kl)


def fixed_in_float(network: ModelProto) -> dict[str, str]:
    """Layers that are never quantised -> why."""
    layers = [node.name for node in network.graph.node if node.op_type in LAYERS]
    if not layers:
        return {}
    constants = {item.name for item in network.graph.initializer}
    pooled: set[str] = set()
    fixed: dict[str, str] = {}
    for node in network.graph.node:  # in the order of computation
        varying = {name for name in node.input if name and name not in constants}
        if node.op_type in _POOLING:
            pooled.update(node.output)
        elif varying and varying <= pooled:
            pooled.update(node.output)
            if node.op_type in LAYERS:
                fixed[node.name] = "works on pooled maps"
    return fixed | {layers[0]: "first layer", layers[-1]: "classifier"}


def read_ranges(network: ModelProto, faces: np.ndarray) -> Ranges:
    """Run the float network on faces and note the extremes of every activation that could be
    quantised.

    Args:
        network: bare, shapes inferred.
        faces: normalised, float32 [N, 3, size, size].
    """
    constants = {item.name for item in network.graph.initializer}
    floats = {
        info.name: info for info in _values(network) if info.type.tensor_type.elem_type == _FLOAT
    }
    nodes = [node for node in network.graph.node if node.op_type in OPERATORS]
    watched = sorted(
        {name for node in nodes for name in [*node.input, *node.output] if name in floats}
        - constants
    )
    given = network.graph.input[0].name
    probe = ModelProto()
    probe.CopyFrom(network)
    probe.graph.output.extend(floats[name] for name in watched if name not in (given, LOGITS))
    session = _session(probe, optimised=False)
    asked = list(dict.fromkeys([LOGITS, *(name for name in watched if name != given)]))
    extremes: dict[str, list[np.ndarray]] = {name: [] for name in watched}
    logits = []
    for batch in _batches(faces, 8, "ranges"):
        values = dict(zip(asked, session.run(asked, {given: batch}), strict=True)) | {given: batch}
        logits.append(values[LOGITS])
        for name in watched:
            extremes[name].append(_extremes(values[name], len(batch)))
    return Ranges(
        {name: np.concatenate(parts) for name, parts in extremes.items()}, np.concatenate(logits)
    )


def to_int8(
    network: ModelProto, ranges: Mapping[str, tuple[float, float]], left_out: Sequence[str]
) -> ModelProto:
    """A copy with 8-bit weights and activations, as pairs of QuantizeLinear and DequantizeLinear;
    input and output stay float32.

    Args:
        network: bare.
        ranges: tensor -> least and greatest value of every activation at a quantised node.
        left_out: names of layers that stay in single precision. Other operators stay there too
            unless all they work on comes in 8 bits: rounding for their sake alone would only do
            harm.
    """
    copy = ModelProto()
    copy.CopyFrom(network)
    bounds = {
        name: TensorData(
            lowest=np.array(low, dtype=np.float32), highest=np.array(high, dtype=np.float32)
        )
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        # 7 bits of weight: sums of two products fit in 16 bits, so no processor saturates
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, bounds),
        nodes_to_quantize=[],
        nodes_to_exclude=_left_out(network, set(left_out)),
        op_types_to_quantize=list(OPERATORS),
        extra_options={},
    )
    made: ModelProto = quantizer.quantize_model()
    OnnxModel(made).topological_sort(
        is_deterministic=True
    )  # the quantizer adds its nodes at the end
    return made


def divergence(reference: np.ndarray, logits: np.ndarray, calibrator: Calibrator) -> float:
    """Mean KL divergence, in nats, from the probabilities of reference logits [N, 7] to those of
    others, both calibrated.
    """
    log_p, log_q = (log_softmax(calibrator.apply(one)) for one in (reference, logits))
    return max(float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()), 0.0)


def _left_out(network: ModelProto, layers: set[str]) -> list[str]:
    """Nodes of `OPERATORS` that stay in single precision if these layers do."""
    constants = {item.name for item in network.graph.initializer}
    in_bytes: set[str] = set()
    left_out = []
    for node in network.graph.node:
        if node.op_type in LAYERS:
            quantised = node.name not in layers
        else:
            quantised = {name for name in node.input if name and name not in constants} <= in_bytes
        if node.op_type in OPERATORS and quantised:
            in_bytes.update(node.output)
        elif node.op_type in OPERATORS:
            left_out.append(node.name)
    return left_out


def _logits(network: ModelProto, faces: np.ndarray) -> np.ndarray:
    session = _session(network, optimised=True)
    given = network.graph.input[0].name
    return np.concatenate(
        [session.run([LOGITS], {given: batch})[0] for batch in _batches(faces, 32, "int8")]
    )


def _session(network: ModelProto, optimised: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimised else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _batches(faces: np.ndarray, size: int, what: str) -> Iterator[np.ndarray]:
    for start in tqdm(
        range(0, len(faces), size), desc=what, unit="batch", leave=False, disable=progress_off()
    ):
        yield np.ascontiguousarray(faces[start : start + size], dtype=np.float32)


def _extremes(values: np.ndarray, faces: int) -> np.ndarray:
    """Least and greatest value on each face, [faces, 2]; of the whole batch where the first axis is
    not the faces.
    """
    flat = (
        values.reshape(faces, -1)
        if values.ndim and len(values) == faces
        else np.broadcast_to(values.reshape(1, -1), (faces, values.size))
    )
    return np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)


def _least_number(enough: Callable[[int], bool], most: int) -> int:
    """Least n of 0 … most for which it is enough, if more never does worse; most where none is."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _values(network: ModelProto) -> list[ValueInfoProto]:
    graph = network.graph
    return [*graph.value_info, *graph.input, *graph.output]
