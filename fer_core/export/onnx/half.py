"""Half-precision copy of an exported network: half the size, for accelerators. CPUs without fp16
arithmetic run it slower than fp32.
"""

from onnx import ModelProto
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

__all__ = ["to_half"]


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
