"""The reference network of timings: a plain MobileNetV3-Large, which says nothing but how fast it
is.
"""

from pathlib import Path

import torch

from fer_core.export.onnx.export import export_files
from fer_core.models.networks.backbone import build_classifier
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.metadata import OnnxMetadata

__all__ = ["REFERENCE", "write_reference"]

REFERENCE = "mobilenetv3_large_100"


def write_reference(folder: Path, preprocessing: Preprocessing, opset: int) -> Path:
    """Write the reference network, with random weights, into a folder; its file."""
    torch.manual_seed(0)
    network = build_classifier(REFERENCE, preprocessing.size).eval()
    metadata = OnnxMetadata(
        REFERENCE,
        "fp32",
        preprocessing,
        1.0,
        source_model_sha256="",
        rows_sha256="",
        licence="random weights",
    )
    return export_files(network, metadata, opset, ("fp32",), folder, REFERENCE)["fp32"]
