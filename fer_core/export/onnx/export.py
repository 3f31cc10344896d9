"""A trained network as a self-contained ONNX file.

The network alone comes from torch's exporter; `assemble` puts normalisation before it and
calibration and softmax after it, node by node, so that these stay in single precision whatever the
network's. The bytes depend on the model only: no times, paths or stack traces.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from timm.utils import reparameterize_model  # type: ignore[attr-defined]
from torch import nn

from fer_core.base.errors import ModelError
from fer_core.base.files import new_file
from fer_core.export.onnx.assembly import NORMALISED, assemble
from fer_core.export.onnx.one_pass import OnePass
from fer_core.export.onnx.options import Precision
from fer_core.export.onnx.plain import with_global_pooling, with_plain_pooling
from fer_core.models.networks.mirrored import Mirrored
from fer_core.predict.metadata import LOGITS, OnnxMetadata

__all__ = [
    "export_files",
    "export_network",
    "float_networks",
    "save_networks",
    "save_onnx",
    "to_half",
]

log = logging.getLogger(__name__)


def export_files(
    network: nn.Module,
    metadata: OnnxMetadata,
    opset: int,
    precisions: tuple[Precision, ...],
    folder: Path,
    name: str,
) -> dict[Precision, Path]:
    """Write `<name>.<precision>.onnx` for each precision that needs nothing but the network.

    Args:
        network: in evaluation mode on the CPU; normalised float32 [N, 3, size, size] to logits [N,
            7].
        metadata: embedded in each file, with the file's own precision.
        opset: ONNX operator set.
        precisions: "fp32", "fp16"; "int8" needs faces too, see `quantise`.
        folder: must exist.
        name: first part of the file names.

    Returns:
        The path of each precision's file.

    Raises:
        ModelError: the network cannot be exported, or a file breaks the ONNX standard.
    """
    single = export_network(network, metadata.preprocessing.size, opset)
    return save_networks(float_networks(single, precisions), metadata, folder, name)


def float_networks(
    single: ModelProto, precisions: Collection[Precision]
) -> dict[Precision, ModelProto]:
    """A bare network in precisions that need nothing but the network: "fp32" and "fp16".

    Raises:
        ModelError: another precision.
    """
    make: dict[Precision, Callable[[ModelProto], ModelProto]] = {
        "fp32": lambda network: network,
        "fp16": to_half,
    }
    if unknown := [precision for precision in precisions if precision not in make]:
        raise ModelError(
            "This precision needs faces too.",
            found=unknown,
            expected="fp32, fp16",
            remedy="make it with `quantise`",
        )
    return {precision: make[precision](single) for precision in precisions}


def save_networks(
    networks: Mapping[Precision, ModelProto], metadata: OnnxMetadata, folder: Path, name: str
) -> dict[Precision, Path]:
    """Write bare networks of several precisions as `<name>.<precision>.onnx`, each with what is
    around it; the paths.

    Raises:
        ModelError: a file breaks the ONNX standard.
    """
    files: dict[Precision, Path] = {}
    for precision, network in networks.items():
        files[precision] = folder / f"{name}.{precision}.onnx"
        save_onnx(assemble(network, replace(metadata, precision=precision)), files[precision])
        log.info("%s: %.1f MB", files[precision].name, files[precision].stat().st_size / 1e6)
    return files


def export_network(network: nn.Module, size: int, opset: int) -> ModelProto:
    """The bare network as ONNX, for any batch size: `normalised` float32 [N, 3, size, size] to
    `logits` float32 [N, 7].

    Branches that are one convolution when the network no longer learns (RepVGG) become that one.
    One that answers for mirror images too takes both in one pass.

    Raises:
        ModelError: torch's exporter cannot express the network (some fix the batch size while being
            traced).
    """
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    exported = OnePass(network) if isinstance(network, Mirrored) else network
    example = torch.zeros(2, 3, size, size)
    try:
        program = torch.onnx.export(
            with_plain_pooling(reparameterize_model(exported.eval())),
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=[NORMALISED],
            output_names=[LOGITS],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise _fixed_batch(network, str(error).splitlines()[0]) from error
    if program is None:
        raise ModelError("torch's exporter gave no program.", where=type(network).__name__)
    model = with_global_pooling(_without_traces(program.model_proto))
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise _fixed_batch(network, "the exported graph takes one batch size only")
    return model


def save_onnx(model: ModelProto, path: Path) -> None:
    """Check a graph, shapes and types too, and write it in one step.

    Raises:
        ModelError: it breaks the ONNX standard.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            "The exported graph breaks the ONNX standard.", where=path.name, found=error
        ) from error
    with new_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _fixed_batch(network: nn.Module, found: str) -> ModelError:
    return ModelError(
        "This network cannot be exported for any batch size.",
        where=type(network).__name__,
        found=found,
        remedy="choose another architecture for the student",
    )


def _without_traces(model: ModelProto) -> ModelProto:
    """Drop what the exporter notes of this machine and its source files; `assemble` keeps nothing
    of the graph but these parts.
    """
    functions = list(model.functions)
    for holder in [
        *functions,
        *model.graph.initializer,
        *model.graph.node,
        *(node for function in functions for node in function.node),
    ]:
        holder.ClearField("doc_string")
        holder.ClearField("metadata_props")
    return model


def to_half(network: ModelProto) -> ModelProto:
    """A copy with float16 weights and arithmetic; inputs and outputs stay float32.

    Weights beyond the range of float16 are clipped to it: whether that matters is for the parity
    check to say.
    """
    copy = ModelProto()
    copy.CopyFrom(network)
    half = convert_float_to_float16(copy, keep_io_types=True)
    OnnxModel(half).topological_sort(
        is_deterministic=True
    )  # the converter may leave its casts after the nodes that need them
    return half
