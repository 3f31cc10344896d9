"""onnxruntime-web answers as onnxruntime does on the files of the ready network."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.released import RELEASED, check_alike, prepared
from tests.web.conftest import ROOT, run_node


@pytest.mark.parametrize("precision", RELEASED)
def test_webassembly_answers_as_the_processor_does(precision: str, tmp_path: Path) -> None:
    (tmp_path / "faces").write_bytes(prepared().tobytes())
    printed = run_node(
        ROOT / "tests" / "web" / "released.mjs",
        RELEASED[precision],
        tmp_path / "faces",
        str(prepared().shape[1]),
    )
    check_alike(precision, np.array(json.loads(printed)).reshape(-1, 7))
