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
from fer_core.web.bundle import SINGLE, SOURCES, bundle_files, find_bundle
from fer_core.web.detector_graph import free_input_size
from fer_core.web.single import single_file

__all__ = ["MODEL", "SINGLE_FILE", "read_rules", "write_page"]

MODEL = "model"
"""Folder beside the page that holds what it runs."""
SINGLE_FILE = "expressions.html"
"""The same page as one file."""

_NETWORK, _DETECTOR, _FACTS = "network.onnx", "detector.onnx", "page.json"
_RUNTIME = "runtime.wasm.gz"


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
    """Write the page into an empty folder, for any static server, and as one file for the disk.

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
    bundle = find_bundle(sources)
    for file in bundle_files(bundle):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / file, folder / file)
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
            **({"by_class": metadata.by_class.to_dict()} if metadata.by_class else {}),
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
    names = (_FACTS, _DETECTOR, _NETWORK)
    files = {f"{MODEL}/{name}": (model / name).read_bytes() for name in names}
    files[_RUNTIME] = (bundle / SINGLE / _RUNTIME).read_bytes()
    licences = (bundle / "licences.txt").read_text(encoding="utf-8")
    page = single_file(bundle / SINGLE, licences, files)
    (folder / SINGLE_FILE).write_text(page, encoding="utf-8")
