"""The wheel, in an environment without torch, DVC and this checkout: `fer predict` and `fer live`
answer with the ready network, the detector and the page inside.
"""

import csv
import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def _closure(names: list[str]) -> set[str]:
    """Distributions that these need, with themselves, of what is installed here."""
    found: set[str] = set()
    while names:
        name = names.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        wanted = (Requirement(text) for text in needed)
        names += [
            one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*build, "--no-index", "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages: the wheel's, and links to what it requires, nothing else."""
    folder = tmp_path_factory.mktemp("packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    base = [
        Requirement(text).name
        for text in importlib.metadata.requires("fer-dag") or []
        if "extra ==" not in text
    ]
    for name in _closure([*base, "onnxruntime-gpu", "onnxruntime"]):
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top in ("..", "__pycache__") or (folder / top).exists():
                continue
            place = Path(str(file.locate())).parents[len(file.parts) - 1] / top
            if place.exists():
                (folder / top).symlink_to(place)
    return folder


def _fer(environment: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # OpenCV puts its own folder second
    start = f"import sys; sys.path[:0] = [{str(where)!r}, {str(environment)!r}]\n"
    code = start + "from fer_cli.main import main\nmain()"
    command = [sys.executable, "-I", "-S", "-c", code, *arguments]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FER_")}
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False, env=kept)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fer_core.sample.portrait import shoot

    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    image = np.full((200, 260, 3), 110, np.uint8)
    image[30:170, 60:200] = shoot(7, "standalone", 0, 3, 140, 2, freedom=0.3)[0]
    cv2.imwrite(str(path), image)
    return path


def test_wheel_holds_network_detector_and_page_with_their_licences(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.split("shipped/")[1] for name in names if "shipped/" in name}
    assert {"student.fp32.onnx", "LICENCE.md", "MODEL_CARD.md", "provenance.json"} <= shipped
    assert {"face_detection_yunet_2023mar.onnx", "page/index.html", "page/licences.txt"} <= shipped
    assert any(name.endswith("licenses/THIRD_PARTY_NOTICES.md") for name in names)


def test_predict_finds_the_face_and_answers(environment: Path, photo: Path) -> None:
    done = _fer(environment, photo.parent, "predict", photo.name, "--detect", "--format", "json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["box"] and sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert str(environment) in done.stderr and "research use" in done.stderr


def test_live_writes_a_session(environment: Path, photo: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        (frames / f"{number}.jpg").write_bytes(photo.read_bytes())
    done = _fer(environment, tmp_path, "live", "frames", "--headless", "--out", "session")
    assert done.returncode == 0, done.stderr
    assert "AI Act" in done.stderr
    (events,) = (tmp_path / "session").glob("per_frame.csv")
    with events.open() as stream:
        assert len(list(csv.DictReader(stream))) == 3


def test_doctor_and_help_work_and_the_pipeline_says_what_it_lacks(
    environment: Path, tmp_path: Path
) -> None:
    done = _fer(environment, tmp_path, "doctor")
    assert done.returncode == 0 and " 0 FAIL" in done.stdout, done.stdout
    assert "extra `train`" in _fer(environment, tmp_path, "--help").stdout
    done = _fer(environment, tmp_path, "run")
    assert done.returncode == 1 and "fer-dag[train]" in done.stderr
