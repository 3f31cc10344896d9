"""The recipe of `docs/predict.md`: the predictor in a folder of its own, with no other package than
those it says it needs.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.predict.fetching import detector_file
from fer_core.predict.predictor import Predictor
from tests.exports import Exported, faces

ROOT = Path(__file__).parents[2]
RECIPE = (
    (ROOT / "docs" / "predict.md")
    .read_text(encoding="utf-8")
    .partition("## Without the project")[2]
)
PACKAGES = ("numpy", "cv2", "onnxruntime", "flatbuffers", "google.protobuf", "packaging")
"""What the recipe installs, and what onnxruntime itself requires."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of links to those packages, with the shared libraries that lie beside them."""
    folder = tmp_path_factory.mktemp("packages")
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.submodule_search_locations, name
        place = Path(next(iter(spec.submodule_search_locations)))
        link = folder.joinpath(*name.split("."))
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(place)
        for libraries in place.parent.glob("*.libs"):
            if not (folder / libraries.name).exists():
                (folder / libraries.name).symlink_to(libraries)
    return folder


@pytest.fixture
def expressions(tmp_path: Path, exported: Exported) -> Path:
    """The folder that the recipe makes."""
    (tmp_path / "fer_core").mkdir()
    for name in re.findall(
        r"fer_core/[\w.]+", RECIPE.partition("git archive")[2].partition("|")[0]
    ):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    shutil.copyfile(exported.files["fp32"], tmp_path / "student.fp32.onnx")
    return tmp_path


def _run(code: str, folder: Path, packages: Path) -> str:
    """What the code prints in an interpreter that knows the standard library, the packages and this
    folder.
    """
    start = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(packages)!r}]\n"
    command = [sys.executable, "-I", "-S", "-c", start + code]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_else_can_be_imported_there(expressions: Path, packages: Path) -> None:
    code = """
import importlib.util
names = ["torch", "timm", "pandas", "pydantic", "typer", "tqdm", "dvc", "onnx", "scipy", "yaml", "fer_cli", "stages", "fer_core.training"]
print([name for name in names if importlib.util.find_spec(name)])
"""
    assert _run(code, expressions, packages).strip() == "[]"


def test_predictor_answers_there_as_it_does_here(
    expressions: Path, packages: Path, exported: Exported
) -> None:
    code = """
import cv2
from pathlib import Path
from fer_core.predict import Predictor
from fer_core.predict.predictor import read_logit_bias
faces = [cv2.cvtColor(cv2.imread(f"{number}.png"), cv2.COLOR_BGR2RGB) for number in range(3)]
for row in Predictor("student.fp32.onnx", threads=1).predict(faces).logits:
    print(*map(float, row))
"""
    for number, face in enumerate(faces(3)):
        cv2.imwrite(str(expressions / f"{number}.png"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    found = np.array(
        [line.split() for line in _run(code, expressions, packages).splitlines()], dtype=float
    )
    expected = Predictor(exported.files["fp32"], threads=1).predict(faces(3)).logits
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_code_of_the_recipe_finds_faces_and_answers(expressions: Path, packages: Path) -> None:
    from fer_core.sample.portrait import shoot

    (code,) = re.findall(r"```python\n(.*?)```", RECIPE, flags=re.S)
    photo = np.full((200, 260, 3), 110, np.uint8)
    photo[30:170, 60:200] = shoot(7, "standalone", 0, 3, 140, 2, freedom=0.3)[0]
    cv2.imwrite(str(expressions / "photo.jpg"), photo)
    shutil.copyfile(detector_file(), expressions / "face_detection_yunet_2023mar.onnx")
    assert len(re.findall(r"\('\w+', 0\.\d+\)", _run(code, expressions, packages))) == 3


def test_the_live_engine_runs_there_too(expressions: Path, packages: Path) -> None:
    code = """
import numpy
from collections import deque
from pathlib import Path
from fer_core.live.engine import Engine
from fer_core.live.frames import Frame, Source
from fer_core.live.recorded import read_session, score_session
from fer_core.live.session import SessionWriter
from fer_core.live.sources import open_source
from fer_core.live.specification import Specification
from fer_core.live.watching import Watch
from fer_core.live import board, server
from fer_core.predict import Predictor
from fer_core.predict.detection import FaceBox
class Anywhere:
    def detect(self, image, longest_side=None):
        return [FaceBox(5, 5, 40, 40, 1.0)]
class Three(Source):
    kind, name, waits = "made", "three", True
    def frames(self):
        for index in range(3):
            yield Frame(index, index / 10, numpy.full((60, 60, 3), 80, numpy.uint8))
    def close(self):
        pass
facts = {"model": {"name": "m", "path": "m"}, "detector": {"name": "d"}, "source": {"name": "s"}}
rules = Specification()
engine = Engine(Predictor("student.fp32.onnx", threads=1), Anywhere(), rules)
deque(Watch(Three(), engine, SessionWriter(Path("session"), facts, rules)).results(), maxlen=0)
print(score_session(read_session(Path("session")))["frames_total"])
"""
    assert _run(code, expressions, packages).strip() == "3"
