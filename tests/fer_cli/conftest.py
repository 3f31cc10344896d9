import json
from pathlib import Path

import pytest

from fer_core.sources.catalogue.descriptor import Descriptor, write_descriptor
from tests.sources.trees import clean_options


@pytest.fixture
def data_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params of `clean` and descriptors of absent data sets, one sample among
    them.
    """
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    for name in ("FER_RAW", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    options = clean_options().model_dump().items()
    (root / "params.yaml").write_text(
        "clean:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in options)
    )
    for name in ("fer2013", "ferplus", "rafdb_basic", "expw"):
        write_descriptor(root / "data/sources", Descriptor(name, name, False, "research"))
    write_descriptor(root / "data/sources", Descriptor("custom", "folder7", False, "own"))
    write_descriptor(
        root / "data/sources", Descriptor("sample_rafdb", "rafdb_basic", True, sample={"seed": 1})
    )
    return root
