"""Every backbone that teachers have, as ONNX: the file gives the scaled cosines that torch gives,
for any batch size.

The five of the protocol are slow to export; so for three of them a smaller network stands that has
the same kinds of blocks, only fewer and narrower ones.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fer_core.export.onnx.export import export_files
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictor
from tests.exports import faces

SCALE, TEMPERATURE = 30.0, 4.0
FAMILIES = ["resnet18", "resnet26", "tf_efficientnet_b0", "convnext_tiny", "vit_tiny_patch16_384"]
RELATIVES = ["test_resnet", "test_efficientnet", "test_convnext2", "test_vit"]


def trained(arch: str, size: int) -> nn.Module:
    """A network whose batch norms have seen data, so that answers depend on the image."""
    torch.manual_seed(0)
    network = ArcFaceNetwork(arch, size, 32, 0.1, SCALE).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 3, size, size))
    return network.eval()


@pytest.mark.parametrize(
    "arch", [*RELATIVES, *(pytest.param(arch, marks=pytest.mark.slow) for arch in FAMILIES)]
)
def test_teacher_as_onnx_gives_its_scaled_cosines(arch: str, tmp_path: Path) -> None:
    size = 64
    preprocessing = Preprocessing(size, 1.0, False, 2.0, 4, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
    network = trained(arch, size)
    metadata = OnnxMetadata(
        arch, "fp32", preprocessing, TEMPERATURE, "a" * 64, "b" * 64, "for tests"
    )
    predictor = Predictor(
        export_files(network, metadata, 18, ("fp32",), tmp_path, "teacher")["fp32"], threads=1
    )
    prepared = predictor.prepare(faces(4))
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
    )
    with torch.inference_mode():
        logits = network((torch.from_numpy(prepared).permute(0, 3, 1, 2) / 255 - mean) / std)
    assert logits.std(dim=0).max() > 1e-3, "the same answer for every image proves nothing"
    for rows in (slice(0, 4), slice(2, 3)):
        found = predictor.run(prepared[rows])
        np.testing.assert_allclose(
            found.logits, logits[rows].numpy(), atol=1e-4 * float(logits.abs().max())
        )
        np.testing.assert_allclose(
            found.probabilities, torch.softmax(logits[rows] / TEMPERATURE, dim=1).numpy(), atol=1e-5
        )
