"""onnxruntime-web answers as onnxruntime does on the files of the ready network."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.released import READY, check_alike, prepared
from tests.web.conftest import ROOT, run_node


@pytest.mark.parametrize("precision", READY)
def test_webassembly_answers_as_the_processor_does(precision: str, tmp_path: Path) -> None:
    file = READY[precision]
    (tmp_path / "faces").write_bytes(prepared(file).tobytes())
    printed = run_node(
        ROOT / "tests" / "web" / "released.mjs",
        file,
        tmp_path / "faces",
        str(prepared(file).shape[1]),
    )
    check_alike(file, np.array(json.loads(printed)).reshape(-1, 7))
