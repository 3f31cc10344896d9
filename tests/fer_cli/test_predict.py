import csv
import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from fer_cli.predict import predict
from fer_core.deploy.predictor import Predictor
from fer_core.errors import ArtifactError, DataError, ParamsError
from fer_core.labels import CLASSES
from tests.deploy.conftest import Exported, exported, faces

__all__ = ["exported"]


def _run(exported: Exported, *arguments: object) -> Result:
    app = typer.Typer()
    app.command()(predict)
    return CliRunner().invoke(app, [*map(str, arguments), "--model", str(exported.files["fp32"]), "--threads", "1"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, image in zip(["b.png", "a.png", "more/c.PNG"], faces(3), strict=True):
        (tmp_path / "photos" / name).write_bytes(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def test_folder_gives_every_image_with_the_predictor_s_own_answer(exported: Exported, folder: Path) -> None:
    answers = json.loads(_run(exported, folder, "--format", "json", "--batch", 2).stdout)
    assert [Path(answer["file"]).name for answer in answers] == ["a.png", "b.png", "c.PNG"]
    b, a, c = faces(3)
    expected = Predictor(exported.files["fp32"], threads=1).predict([a, b, c])
    assert [answer["label"] for answer in answers] == expected.labels
    for answer, row in zip(answers, expected.probabilities, strict=True):
        np.testing.assert_allclose([answer["probabilities"][name] for name in CLASSES], row, atol=1e-5)


def test_csv_and_table_hold_the_same_labels(exported: Exported, folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(_run(exported, folder, "--format", "csv").stdout)))
    lines = _run(exported, folder).stdout.splitlines()[1:]
    assert len(rows) == len(lines) == 3
    assert all(row["label"] in line and row["file"] in line for row, line in zip(rows, lines, strict=True))


def test_label_below_the_threshold_is_not_given(exported: Exported, folder: Path) -> None:
    answers = json.loads(_run(exported, folder / "a.png", "--format", "json", "--threshold", 1).stdout)
    assert answers[0]["label"] is None and answers[0]["confidence"] < 1


def test_faults_are_told_as_errors_of_the_project(exported: Exported, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert isinstance(_run(exported, tmp_path / "empty").exception, DataError)
    assert isinstance(_run(exported, tmp_path / "absent").exception, DataError)
    assert isinstance(_run(exported, folder / "notes.txt").exception, DataError)
    assert isinstance(_run(exported, folder, "--detect").exception, ParamsError)
    assert isinstance(_run(exported, folder, "--detect", "--detector", folder / "a.png").exception, ArtifactError)


@pytest.mark.skipif("FER_TEST_YUNET" not in os.environ, reason="FER_TEST_YUNET names no detector file")
def test_photo_without_a_face_is_listed_as_such(exported: Exported, tmp_path: Path) -> None:
    photo = tmp_path / "wall.png"
    photo.write_bytes(cv2.imencode(".png", np.full((120, 160, 3), 128, np.uint8))[1].tobytes())
    answers = json.loads(_run(exported, photo, "--format", "json", "--detect", "--detector", os.environ["FER_TEST_YUNET"]).stdout)
    assert answers == [{"file": str(photo), "face": None, "box": None, "label": None, "confidence": None, "probabilities": {}}]
    assert "no face" in _run(exported, photo, "--detect", "--detector", os.environ["FER_TEST_YUNET"]).stdout
