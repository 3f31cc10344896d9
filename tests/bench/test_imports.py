"""Benches and the scripts of the docs are run by hand: here they must at least load."""

import importlib.util
from pathlib import Path

import pytest

from tests.shipped import ROOT

SCRIPTS = [*sorted((ROOT / "bench").glob("*.py")), *sorted((ROOT / "docs").glob("*.py"))]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_script_loads(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
