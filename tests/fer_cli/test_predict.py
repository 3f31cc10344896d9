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
from fer_cli.predict_drawing import annotated, annotated_names
from fer_cli.predict_inputs import image_files
from fer_cli.predict_output import Answer
from fer_core.deploy.detection import FaceBox
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
    assert isinstance(_run(exported, folder, "--detect", "--detector", folder / "a.png").exception, ArtifactError)


@pytest.mark.skipif("FER_TEST_YUNET" not in os.environ, reason="FER_TEST_YUNET names no detector file")
def test_photo_without_a_face_is_listed_as_such(exported: Exported, tmp_path: Path) -> None:
    photo = tmp_path / "wall.png"
    photo.write_bytes(cv2.imencode(".png", np.full((120, 160, 3), 128, np.uint8))[1].tobytes())
    answers = json.loads(_run(exported, photo, "--format", "json", "--detect", "--detector", os.environ["FER_TEST_YUNET"]).stdout)
    nothing = {"face": None, "box": None, "label": None, "confidence": None, "top": [], "probabilities": {}}
    assert answers == [{"file": str(photo)} | nothing]
    assert "no face" in _run(exported, photo, "--detect", "--detector", os.environ["FER_TEST_YUNET"]).stdout


def test_without_a_detector_the_error_says_how_to_get_one(exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("FER_DETECTOR", raising=False)
    error = _run(exported, folder, "--detect").exception
    assert isinstance(error, ArtifactError)
    assert "fer fetch-detector" in str(error) and str(folder) in str(error)


def test_classes_asked_for_are_named_in_their_order(exported: Exported, folder: Path) -> None:
    answer = json.loads(_run(exported, folder / "a.png", "--format", "json", "--top", 3).stdout)[0]
    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    assert [(pair["label"], pair["probability"]) for pair in answer["top"]] == ranked
    line = _run(exported, folder / "a.png", "--top", 3).stdout.splitlines()[1]
    assert ranked[0][0] in line and f"{ranked[2][0]} {100 * ranked[2][1]:.1f} %" in line
    unsure = _run(exported, folder / "a.png", "--top", 2, "--threshold", 1).stdout.splitlines()[1]
    assert "unsure" in unsure and f"{ranked[0][0]} {100 * ranked[0][1]:.1f} %" in unsure


def test_a_bias_is_added_to_the_logits_before_the_temperature(exported: Exported, folder: Path) -> None:
    bias = dict(zip(CLASSES, [0.5, -1.0, 0.0, 2.0, 0.0, 0.0, -0.5], strict=True))
    (folder / "bias.json").write_text(json.dumps(dict(reversed(bias.items()))))
    plain = Predictor(exported.files["fp32"], threads=1).predict([faces(3)[1]])
    powers = np.exp((plain.logits[0].astype(float) + list(bias.values())) / exported.metadata.temperature)
    answer = json.loads(_run(exported, folder / "a.png", "--format", "json", "--logit-bias", folder / "bias.json").stdout)[0]
    np.testing.assert_allclose([answer["probabilities"][name] for name in CLASSES], powers / powers.sum(), atol=1e-5)
    assert answer["label"] == CLASSES[int(powers.argmax())]


@pytest.mark.parametrize(
    ("text", "words"),
    [("[1]", "one number for each"), ('{"Angry": 1}', "one number for each"), ("{", "no JSON"), (None, "no such file"), ("nan", "Fear")],
)
def test_faulty_bias_is_refused(exported: Exported, folder: Path, text: str | None, words: str) -> None:
    if text == "nan":
        text = json.dumps(dict.fromkeys(CLASSES, 0.0) | {"Fear": float("nan")})
    if text is not None:
        (folder / "bias.json").write_text(text)
    error = _run(exported, folder, "--logit-bias", folder / "bias.json").exception
    assert isinstance(error, ParamsError) and words in str(error)


@pytest.mark.parametrize(
    "table",
    [
        "label,path\n0,more/c.PNG\n3,a.png\n",
        "\ufefflabel,Image\r\n0,more/c.PNG\r\n3, a.png\r\n\r\n",
        "more/c.PNG\na.png\n",
        'subDirectory_filePath,face_x\n"more/c.PNG",1\na.png,2\n',
    ],
)
def test_a_table_names_images_beside_it_in_its_own_order(folder: Path, table: str) -> None:
    (folder / "list.csv").write_text(table, encoding="utf-8", newline="")
    assert image_files([folder / "list.csv", folder / "b.png"]) == [folder / "more/c.PNG", folder / "a.png", folder / "b.png"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("label,path\n0,a.png\n1,gone.png\n", "line 3"),
        ("label,path\n0\n", "line 2"),
        ("label,name\n0,a.png\n", "no column of image paths"),
        ("path\n", "no rows"),
        ("\n\n", "empty"),
        (b"path\n\xff\xfe.png\n", "cannot be read"),
        ('path\n"a.png\n', "cannot be read"),
    ],
)
def test_faulty_table_is_named_with_its_line(folder: Path, table: str | bytes, words: str) -> None:
    (folder / "list.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DataError, match=words) as caught:
        image_files([folder / "list.csv"])
    assert "list.csv" in str(caught.value)


def test_copies_are_drawn_below_the_folder_and_no_image_is_touched(exported: Exported, folder: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    done = _run(exported, folder, "--annotate", tmp_path / "drawn")
    assert done.exception is None, done.exception
    assert sorted(file.relative_to(tmp_path / "drawn").as_posix() for file in (tmp_path / "drawn").rglob("*.png")) == [
        "a.png",
        "b.png",
        "more/c.png",
    ]
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before
    error = _run(exported, folder, "--annotate", folder).exception
    assert isinstance(error, DataError) and "overwrite" in str(error)
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before


def test_copies_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one annotated copy"):
        annotated_names([tmp_path / "a.png", tmp_path / "a.jpg"], tmp_path / "drawn")
    names = annotated_names([tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"], tmp_path / "drawn")
    assert len(set(names.values())) == 2


def test_an_image_given_twice_has_one_copy(exported: Exported, folder: Path, tmp_path: Path) -> None:
    twice = _run(exported, folder / "a.png", folder / "more" / ".." / "a.png", "--annotate", tmp_path / "drawn", "--format", "json")
    assert twice.exception is None and len(json.loads(twice.stdout)) == 2
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["a.png"]


def test_nothing_that_exists_is_overwritten_by_copies(exported: Exported, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "b.png").write_bytes(b"of somebody")
    error = _run(exported, folder, "--annotate", tmp_path / "drawn").exception
    assert isinstance(error, DataError) and "b.png" in str(error)
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["b.png"], "refused before anything is written"
    assert (tmp_path / "drawn" / "b.png").read_bytes() == b"of somebody"
    for inside in ("", "below"):
        error = _run(exported, folder, "--annotate", tmp_path / "drawn" / "b.png" / inside).exception
        assert isinstance(error, DataError) and "give a folder" in str(error)


def answer(label: str | None, box: FaceBox | None) -> Answer:
    return Answer("photo.png", 0, box, label, 0.8, [("Happy", 0.8)], {"Happy": 0.8})


def test_box_is_drawn_where_the_face_is_and_unsure_ones_look_otherwise() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    box = FaceBox(100, 120, 80, 90, 0.9)
    sure, unsure = annotated(image, [answer("Happy", box)]), annotated(image, [answer(None, box)])
    assert (image == 0).all(), "the image itself was drawn on"
    for drawn in (sure, unsure):
        rows, columns = np.nonzero(drawn.any(axis=2))
        assert rows.max() == 210 and columns.min() == 100
        assert not drawn[130:200, 110:170].any(), "the face is covered"
    assert (sure[210, 150] != unsure[210, 150]).any()


def test_label_stays_inside_the_image() -> None:
    drawn = annotated(np.zeros((200, 200, 3), np.uint8), [answer("Happy", FaceBox(190, 0, 30, 30, 0.9))])
    assert (drawn > 180).all(axis=2).sum() > 20, "white letters"
    assert annotated(np.zeros((40, 50, 3), np.uint8), [answer("Happy", None)]).shape == (160, 200, 3)
