"""The recipe of `docs/models.md` for Core ML: what it converts answers as the released file does."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from fer_core.predict import Predictor
from tests.exports import faces
from tests.shipped import ROOT


def test_what_is_converted_answers_as_the_released_file(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models.md").read_text(), re.S)
    converter, given = ModuleType("coremltools"), []
    converter.__dict__["ImageType"] = lambda name, shape, color_layout: (name, shape, color_layout)

    def convert(program: torch.export.ExportedProgram, inputs: object) -> SimpleNamespace:
        given.append((program.module(), inputs))
        return SimpleNamespace(save=lambda path: None)

    converter.__dict__["convert"] = convert
    monkeypatch.setitem(sys.modules, "coremltools", converter)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "docs/models.md", "exec"), {"__name__": "recipe"})
    ((converted, inputs),) = given
    predictor = Predictor(ROOT / "models/fer2013/student.fp32.onnx", threads=1)
    prepared = predictor.prepare(faces(5))
    assert inputs == [("face", (1, 3, *prepared.shape[1:3]), "RGB")]
    expected = predictor.run(prepared).probabilities
    assert np.ptp(expected, axis=0).max() > 0.01
    for pixels, answer in zip(prepared, expected, strict=True):
        found = converted(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
        np.testing.assert_allclose(found[0].numpy(force=True), answer, atol=1e-5)


def test_the_recipe_is_tried_where_coremltools_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("coremltools")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models.md").read_text(), re.S)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/models.md", "exec"), {"__name__": "recipe"})
    assert (tmp_path / "student.mlpackage/Manifest.json").is_file()
