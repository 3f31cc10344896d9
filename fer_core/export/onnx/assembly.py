"""The deployed graph around a bare network, and what a file says of itself."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from fer_core.base.absent import absent_classes
from fer_core.base.errors import ModelError
from fer_core.base.labels import CLASSES, N_CLASSES, NEVER
from fer_core.evaluation.calibration.calibrators import BiasCorrected, Calibrator, Vector
from fer_core.models.networks.card import ModelCard
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.calibration import ClassCalibration
from fer_core.predict.metadata import (
    INPUT,
    LOGITS,
    PROBABILITIES,
    OnnxMetadata,
    Thresholds,
)

__all__ = ["NORMALISED", "assemble", "metadata_of"]

NORMALISED = "normalised"
"""Input of a bare network."""


def metadata_of(
    card: ModelCard, carried: Calibrator, licence: str, thresholds: Thresholds | None = None
) -> OnnxMetadata:
    """What is embedded in the single-precision file of a saved network.

    Args:
        card: of the network.
        carried: what the file is to carry of its calibration, see `Calibration.carried`.
        licence: terms of use of the weights.
        thresholds: of abstention, where some were fitted.
    """
    return OnnxMetadata(
        card.arch,
        "fp32",
        card.preprocessing,
        carried.temperature,
        card.weights_sha256,
        card.rows_sha256,
        licence,
        absent_classes(),
        thresholds,
        _by_class(carried),
    )


def _by_class(carried: Calibrator) -> ClassCalibration | None:
    if isinstance(carried, Vector):
        return ClassCalibration(carried.scale, carried.bias)
    if isinstance(carried, BiasCorrected):
        return ClassCalibration((1 / carried.temperature,) * N_CLASSES, carried.bias)
    return None


def assemble(network: ModelProto, metadata: OnnxMetadata) -> ModelProto:
    """The deployed graph around a bare network.

    Input `image` is uint8 RGB [N, size, size, 3]. It becomes (image / 255 - mean) / std, float32
    [N, 3, size, size], computed as image * scale + shift. Outputs are `logits` float32 [N, 7], not
    calibrated, and `probabilities` = softmax(logits / T), or softmax(scale * logits + bias) of each
    class where the metadata say so. The logit of an absent class is `NEVER`.
    """
    size = metadata.preprocessing.size
    scale, shift = _affine(metadata.preprocessing)
    calibrate, calibration = _calibrating(metadata)
    constants = {"scale": scale, "shift": shift, **calibration}
    before = [
        helper.make_node("Transpose", [INPUT], ["planes"], name="to_planes", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["pixels"], name="to_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"], name="scale_pixels"),
        helper.make_node("Add", ["scaled", "shift"], [NORMALISED], name="shift_pixels"),
    ]
    after = [
        *calibrate,
        helper.make_node(
            "Softmax", ["tempered"], [PROBABILITIES], name="to_probabilities", axis=-1
        ),
    ]
    if metadata.absent:
        network = _renamed(network, LOGITS, "unmasked")
        constants["answered"] = np.array([name not in metadata.absent for name in CLASSES])
        constants["never"] = np.array(NEVER, dtype=np.float32)
        masked = ["answered", "unmasked", "never"]
        after.insert(0, helper.make_node("Where", masked, [LOGITS], name="leave_out_absent"))
    taken = {name for node in network.graph.node for name in [*node.input, *node.output]} | {
        item.name for item in network.graph.initializer
    }
    around = (name for node in [*before[:-1], *after] for name in node.output)
    if clash := taken & ({*constants, INPUT, *around} - {LOGITS}):
        raise ModelError("The network uses a name of the graph around it.", found=sorted(clash))
    graph = helper.make_graph(
        [*before, *network.graph.node, *after],
        "expression",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", size, size, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", N_CLASSES])
            for name in (LOGITS, PROBABILITIES)
        ],
        [
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
            *network.graph.initializer,
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=list(network.opset_import),
        ir_version=network.ir_version,
        functions=list(network.functions),
    )
    helper.set_model_props(model, metadata.to_props())
    return model


def _calibrating(metadata: OnnxMetadata) -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    """Nodes from logits to what softmax is taken of, and their constants."""
    if (found := metadata.by_class) is None:
        node = helper.make_node("Div", [LOGITS, "temperature"], ["tempered"], name="temper")
        return [node], {"temperature": np.array(metadata.temperature, dtype=np.float32)}
    nodes = [
        helper.make_node("Mul", [LOGITS, "class_scale"], ["class_scaled"], name="scale_classes"),
        helper.make_node("Add", ["class_scaled", "class_bias"], ["tempered"], name="shift_classes"),
    ]
    constants = {"class_scale": found.scale, "class_bias": found.bias}
    return nodes, {name: np.array([values], dtype=np.float32) for name, values in constants.items()}


def _renamed(network: ModelProto, old: str, new: str) -> ModelProto:
    """A copy in which a value of the graph has another name."""
    copy = ModelProto()
    copy.CopyFrom(network)
    for node in copy.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    return copy


def _affine(preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    mean, std = (
        np.array(values, dtype=np.float64).reshape(1, 3, 1, 1)
        for values in (preprocessing.mean, preprocessing.std)
    )
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
