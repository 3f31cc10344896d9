"""The page's engine under Node: the golden vectors, the detector's graph, and the network's answers
are those of the Python engine.
"""

import json
from pathlib import Path

import pytest

from tests.exports import Exported
from tests.live.make_golden import network, text
from tests.web.conftest import ROOT, run_node


@pytest.fixture
def models(tmp_path: Path, page: Path, exported: Exported) -> Path:
    """What the tests in TypeScript read."""
    for name in ("detector.onnx", "network.onnx"):
        (tmp_path / name).write_bytes((page / "model" / name).read_bytes())
    (tmp_path / "answers.jsonl").write_text(text(network(exported.files["fp32"])))
    facts = json.loads((page / "model" / "page.json").read_text())["network"]
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    return tmp_path


def test_typescript_and_python_engines_agree(models: Path) -> None:
    tests = sorted((ROOT / "tests" / "web").glob("*.test.ts"))
    printed = run_node("--test", *tests, FER_WEB_MODELS=str(models))
    assert "skipped 0" in printed, printed
