"""The page with a network: the built bundle, an exported file, the detector and the rules."""

import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import onnx

from fer_core.base.files import sha256_bytes, write_json
from fer_core.base.labels import CLASSES
from fer_core.base.reading import read_yaml
from fer_core.live.specification import Specification
from fer_core.predict.detection import YUNET_NAME, YUNET_SHA256, read_detector
from fer_core.predict.metadata import OnnxMetadata
from fer_core.web.bundle import BUNDLE, SOURCES, read_bundle
from fer_core.web.detector_graph import free_input_size

__all__ = ["MODEL", "read_rules", "write_page"]

MODEL = "model"
"""Folder beside the page that holds what it runs."""

_NETWORK, _DETECTOR, _FACTS = "network.onnx", "detector.onnx", "page.json"


def read_rules(path: Path) -> Specification:
    """The rules in `live.yaml`.

    Raises:
        ParamsError: a rule is unknown or out of range.
    """
    return Specification.from_dict(read_yaml(path, "file of rules"), path)


def write_page(
    folder: Path,
    network: Path,
    detector: Path,
    rules: Specification,
    name: str,
    trained_on: Sequence[str],
    sources: Path = SOURCES,
) -> None:
    """Write the page into an empty folder; any static server can then serve it.

    Args:
        folder: to write into.
        network: exported ONNX file.
        detector: YuNet's published file.
        rules: with which the page begins.
        name: of the network.
        trained_on: names of its data sets.
        sources: of the page, with its bundle.

    Raises:
        ArtifactError: the page is not built from its present sources, or the detector is missing or
            another.
        ModelError: the network does not say what it was made for.
    """
    for file in read_bundle(sources):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sources / BUNDLE.name / file, folder / file)
    model = folder / MODEL
    model.mkdir()
    graph = free_input_size(read_detector(detector))
    (model / _DETECTOR).write_bytes(graph)
    data = network.read_bytes()
    (model / _NETWORK).write_bytes(data)
    props = {item.key: item.value for item in onnx.load_from_string(data).metadata_props}
    metadata = OnnxMetadata.from_props(props, network)
    facts = {
        "schema": 1,
        "version": version("fer-dag"),
        "network": {
            "file": _NETWORK,
            "sha256": sha256_bytes(data),
            "bytes": len(data),
            "name": name,
            "arch": metadata.arch,
            "precision": metadata.precision,
            "labels": list(CLASSES),
            "licence": metadata.licence,
            "temperature": metadata.temperature,
            "preprocessing": metadata.preprocessing.to_dict(),
            "preprocessing_hash": metadata.preprocessing.hash(),
            "source_model_sha256": metadata.source_model_sha256,
            "rows_sha256": metadata.rows_sha256,
            "drawn_faces_only": all(source.startswith("sample_") for source in trained_on),
            "trained_on": list(trained_on),
        },
        "detector": {
            "file": _DETECTOR,
            "bytes": len(graph),
            "name": YUNET_NAME,
            "sha256": YUNET_SHA256,
        },
        "specification": rules.to_dict(),
    }
    write_json(model / _FACTS, facts)
