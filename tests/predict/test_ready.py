import shutil
from pathlib import Path

import pytest

from fer_core.base.errors import ArtifactError, ModelError
from fer_core.predict import fetching, ready
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictor
from fer_core.predict.ready import default_model, ready_model
from tests.exports import Exported
from tests.shipped import ROOT


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a ready network; its file exists."""
    file = tmp_path / "models" / "fer2013" / "student.fp32.onnx"
    file.parent.mkdir(parents=True)
    file.touch()
    for module in (ready, fetching):
        place = tmp_path / "fer_core" / "predict" / "here.py"
        monkeypatch.setattr(module, "__file__", str(place))
    return file


def test_own_student_of_photos_comes_first(shipped: Path, exported: Exported) -> None:
    assert default_model(exported.files["fp32"]) == exported.files["fp32"]


def test_ready_network_stands_in_for_none_and_for_one_of_drawn_faces(
    shipped: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_model(shipped.parent / "none.onnx") == shipped
    monkeypatch.setattr(OnnxMetadata, "knows_drawn_faces_only", True)
    assert default_model(exported.files["fp32"]) == shipped


def test_own_student_answers_where_there_is_no_ready_one(
    shipped: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped.unlink()
    monkeypatch.setattr(OnnxMetadata, "knows_drawn_faces_only", True)
    own = exported.files["fp32"]
    assert default_model(own) == own
    assert default_model(shipped.parent / "none.onnx") == shipped.parent / "none.onnx"


def test_a_released_file_that_was_changed_gives_no_answer(tmp_path: Path) -> None:
    """Zeroed weights would still answer, only worse."""
    for name in ("student.fp32.onnx", "provenance.json"):
        shutil.copyfile(ROOT / "models/fer2013" / name, tmp_path / name)
    file = tmp_path / "student.fp32.onnx"
    assert Predictor(file).metadata.arch == "resnet9_w24"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"(?s)not as it was made.*git checkout"):
        Predictor(file)
    with pytest.raises(ModelError, match=r"(?s)a folder.*student\.fp32\.onnx"):
        Predictor(tmp_path)


def test_an_installed_package_brings_its_own(shipped: Path) -> None:
    packaged = shipped.parents[2] / "fer_core" / "predict" / "shipped" / "student.fp32.onnx"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert ready_model() == packaged
