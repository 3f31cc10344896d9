"""One tiny student, exported once for all tests of this folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from torch import nn

from fer_core.base.labels import CLASSES
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.export.onnx.export import export_files
from fer_core.export.onnx.options import Precision
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model, save_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.metadata import OnnxMetadata, Thresholds

ARCH = "test_resnet"
PREPROCESSING = Preprocessing(
    32, 1 / 1.15, True, 2.0, 4, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
TEMPERATURE = 1.7


def faces(count: int, side: int = 48) -> list[np.ndarray]:
    """Smooth random RGB images that differ in brightness, colour and contrast."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return [cv2.resize(image, (side, side + 4), interpolation=cv2.INTER_CUBIC) for image in coarse]


def tiny_network() -> nn.Module:
    """A network whose answers depend on the image: batch norm statistics from data, a classifier
    far from its small initial weights.
    """
    torch.manual_seed(3)
    network = build_classifier(ARCH, PREPROCESSING.size)
    network.train()
    for _ in range(5):
        network(torch.randn(16, 3, PREPROCESSING.size, PREPROCESSING.size))
    nn.init.normal_(network.get_submodule("fc").weight, std=0.5)
    return network.eval()


def save_tiny(folder: Path) -> ModelCard:
    card = ModelCard(
        "student",
        ARCH,
        "linear",
        None,
        None,
        None,
        PREPROCESSING,
        "a" * 64,
        "b" * 64,
        None,
        0,
        {},
        {},
    )
    return save_model(folder, tiny_network(), card)


def export_small(folder: Path) -> dict[Precision, Path]:
    """Three layers in both precisions: quick to export, for tests of the writing itself."""
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 7),
    )
    metadata = OnnxMetadata("small", "fp32", PREPROCESSING, 1.0, "a" * 64, "b" * 64, "for tests")
    return export_files(
        nn.Sequential(*layers).eval(), metadata, 18, ("fp32", "fp16"), folder, "small"
    )


def write_test_pack(folder: Path, count: int, splits: tuple[str, ...] = ("test",)) -> Pack:
    images = [cv2.imencode(".png", image[:, :, ::-1])[1].tobytes() for image in faces(count)]
    rows = pd.DataFrame(
        {
            "sample_id": [f"tiny/{i:03d}" for i in range(count)],
            "label": np.arange(count, dtype=np.int8) % 7,
        }
    )
    rows = rows.assign(
        source="tiny",
        split=[splits[i % len(splits)] for i in range(count)],
        usage="",
        group=rows["sample_id"],
        width=48,
        height=52,
        min_side=48,
    )
    rows = rows.assign(confidence=np.float32(1), weight=np.float32(1), votes=None).astype(
        {"width": "int32", "height": "int32", "min_side": "int32"}
    )
    write_pack(
        folder,
        rows,
        lambda i: images[i],
        np.array([len(image) for image in images]),
        PackOptions(shard_megabytes=1),
    )
    return Pack.open(folder)


@dataclass(frozen=True)
class Exported:
    network: nn.Module
    card: ModelCard
    metadata: OnnxMetadata
    files: dict[Precision, Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The tiny student in both precisions; do not change the files."""
    folder = tmp_path_factory.mktemp("exported")
    save_tiny(folder / "model")
    network, card = load_model(folder / "model")
    metadata = OnnxMetadata(
        card.arch,
        "fp32",
        card.preprocessing,
        TEMPERATURE,
        card.weights_sha256,
        card.rows_sha256,
        "for tests",
    )
    return Exported(
        network,
        card,
        metadata,
        export_files(network, metadata, 18, ("fp32", "fp16"), folder, "student"),
    )


def carrying_threshold(file: Path, copy: Path, confidence: float) -> Path:
    """A copy of an exported file that carries a threshold of its own."""
    model = onnx.load(file)
    entry = model.metadata_props.add()
    values = Thresholds(0.1, confidence, 0.1, dict.fromkeys(CLASSES, 0.1))
    entry.key, entry.value = "thresholds", json.dumps(asdict(values))
    onnx.save(model, copy)
    return copy


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return write_test_pack(tmp_path_factory.mktemp("pack") / "test", 28)
