"""The page's engine under Node: the golden vectors, the detector's graph, and the network's answers
are those of the Python engine.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fer_core.export.onnx.export import export_files
from fer_core.predict.calibration import ClassCalibration
from tests.exports import Exported
from tests.live.make_golden import network, text
from tests.web.conftest import ROOT, make_page, run_node


def models(folder: Path, page: Path, file: Path) -> Path:
    """What the tests in TypeScript read."""
    folder.mkdir()
    for name in ("detector.onnx", "network.onnx"):
        (folder / name).write_bytes((page / "model" / name).read_bytes())
    (folder / "answers.jsonl").write_text(text(network(file)))
    facts = json.loads((page / "model" / "page.json").read_text())["network"]
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(params=["temperature", "by class"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, page: Path, exported: Exported) -> Path:
    """A network that carries a temperature, or a scale and a bias of each class."""
    if request.param == "temperature":
        return models(tmp_path / "models", page, exported.files["fp32"])
    by_class = ClassCalibration(
        (0.4, 0.9, 0.6, 1.2, 0.5, 0.7, 1.1), (2.5, -1.5, 0.5, -2.0, 0.75, 1.25, -1.5)
    )
    metadata = replace(exported.metadata, by_class=by_class)
    file = export_files(exported.network, metadata, 18, ("fp32",), tmp_path, "student")["fp32"]
    found = make_page(tmp_path / "page", file)
    assert json.loads((found / "model" / "page.json").read_text())["network"]["by_class"] == (
        by_class.to_dict()
    )
    return models(tmp_path / "models", found, file)


def test_typescript_and_python_engines_agree(folder: Path) -> None:
    tests = sorted((ROOT / "tests" / "web").glob("*.test.ts"))
    printed = run_node("--test", *tests, FER_WEB_MODELS=str(folder))
    assert "skipped 0" in printed, printed
