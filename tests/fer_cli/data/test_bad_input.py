"""What people bring who have no data set: each folder gets a clear message, from `fer data add` or
from the gate, before anything is trained.
"""

import shutil
from pathlib import Path

import pytest

from fer_core.base import absent
from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.base.params import read_params
from stages import manifest, validate
from tests.fer_cli.adding import faces, fer
from tests.shipped import ROOT
from tests.sources.trees import put


@pytest.fixture
def project(data_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data project with the parameters of the profile for few photos."""
    shutil.copy(ROOT / "profiles/custom.yaml", data_project / "params.yaml")
    monkeypatch.setenv("DVC_ROOT", str(data_project))
    monkeypatch.delenv("FER_RUNS", raising=False)
    monkeypatch.setattr(absent, "_absent", ())
    return data_project


def folder(root: Path, photos: dict[str, list[int]]) -> Path:
    """Class folders of pictures, each a pure function of its seed."""
    for name, seeds in photos.items():
        for place, seed in enumerate(seeds):
            put(root / name / f"{place:02d}.png", seed)
    return root


def gate(project: Path) -> str:
    """What the gate says of the data set that was added."""
    faces(project, "custom")
    absent.declare_absent(read_params())
    manifest.main()
    with pytest.raises(DataError) as caught:
        validate.main()
    report = (project / "runs/validation-report.json").read_text()
    return f"{caught.value}\n{report}"


def test_one_photo_of_each_class_says_how_many_are_wanted(project: Path, tmp_path: Path) -> None:
    photos = folder(tmp_path / "one", {name: [place] for place, name in enumerate(CLASSES)})
    assert "7 faces" in fer("add", "custom", photos)
    found = gate(project)
    assert "validate.min_per_class" in found
    assert "Angry" in found and "Neutral" in found


def test_one_class_only_is_no_choice_whatever_was_asked_for(project: Path, tmp_path: Path) -> None:
    photos = folder(tmp_path / "happy_only", {"happy": list(range(20))})
    before = Path("params.yaml").read_text()
    assert "a network needs two classes" in fer("add", "custom", photos, "--absent")
    assert Path("params.yaml").read_text() == before
    found = gate(project)
    assert "Sad" in found and "Neutral" in found


def test_a_folder_where_every_photo_is_the_same_leaves_nothing(
    project: Path, tmp_path: Path
) -> None:
    photos = folder(tmp_path / "same", {name: [5] * 9 for name in CLASSES})
    fer("add", "custom", photos)
    found = gate(project)
    assert "contradictory_twins" in found and "63" in found


def test_photos_of_one_class_that_are_all_the_same_count_once(
    project: Path, tmp_path: Path
) -> None:
    photos = folder(tmp_path / "some", {n: [p] * 9 for p, n in enumerate(CLASSES)})
    fer("add", "custom", photos)
    found = gate(project)
    assert '"duplicate_in_train": 56' in found and "validate.min_per_class" in found


def test_a_language_that_is_not_known_is_named_and_not_guessed(
    project: Path, tmp_path: Path
) -> None:
    photos = folder(tmp_path / "words", {"喜び": [1, 2], "悲しみ": [3], "traurig": [4]})
    said = fer("add", "custom", photos)
    assert "喜び" in said and "悲しみ" in said and "1 faces" in said


def test_photos_without_any_face_are_told_before_a_data_set_is_made_of_them(
    project: Path, tmp_path: Path
) -> None:
    photos = folder(tmp_path / "walls", {"happy": [1, 2], "sad": [3]})
    with pytest.raises(DataError, match="face"):
        fer("crop", photos, tmp_path / "out")
