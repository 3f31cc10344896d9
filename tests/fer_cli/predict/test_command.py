import csv
import io
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.base.errors import ArtifactError, DataError, ModelError, ParamsError
from fer_core.base.labels import CLASSES
from fer_core.predict.detection import MARGIN, YuNet, crop_face
from fer_core.predict.fetching import detector_file
from fer_core.predict.metadata import OnnxMetadata
from fer_core.predict.predictor import Predictions, Predictor
from fer_core.sample.portrait import shoot
from tests.exports import Exported, carrying_threshold, exported, faces
from tests.fer_cli.predicting import folder, run, write_image

__all__ = ["exported", "folder"]


def test_folder_gives_every_image_with_the_predictor_s_own_answer(
    exported: Exported, folder: Path
) -> None:
    answers = json.loads(run(exported, folder, "--format", "json", "--batch", 2).stdout)
    assert [Path(answer["file"]).name for answer in answers] == ["a.png", "b.png", "c.PNG"]
    b, a, c = faces(3)
    expected = Predictor(exported.files["fp32"], threads=1).predict([a, b, c])
    assert [answer["label"] for answer in answers] == expected.labels
    for answer, row in zip(answers, expected.probabilities, strict=True):
        np.testing.assert_allclose(
            [answer["probabilities"][name] for name in CLASSES], row, atol=1e-5
        )


def test_csv_and_table_hold_the_same_labels(exported: Exported, folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(exported, folder, "--format", "csv").stdout)))
    lines = run(exported, folder).stdout.splitlines()[1:]
    assert len(rows) == len(lines) == 3
    assert all(
        row["label"] in line and row["file"] in line for row, line in zip(rows, lines, strict=True)
    )


def test_label_below_the_threshold_is_not_given(exported: Exported, folder: Path) -> None:
    answers = json.loads(
        run(exported, folder / "a.png", "--format", "json", "--threshold", 1).stdout
    )
    assert answers[0]["label"] is None and answers[0]["confidence"] < 1


def test_the_models_own_threshold_is_taken_where_it_has_one(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    arguments = (folder / "a.png", "--format", "json", "--threshold", "auto")
    assert isinstance(run(exported, *arguments).exception, ModelError)
    own = carrying_threshold(exported.files["fp32"], tmp_path / "carrying.onnx", 1.0)
    carrying = replace(exported, files={"fp32": own})
    answers = json.loads(run(carrying, *arguments).stdout)
    assert answers[0]["label"] is None and answers[0]["confidence"] < 1
    assert run(exported, *arguments[:-1], "most").exit_code == 2


def test_faults_are_told_as_errors_of_the_project(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert isinstance(run(exported, tmp_path / "empty").exception, DataError)
    assert isinstance(run(exported, tmp_path / "absent").exception, DataError)
    assert isinstance(
        run(exported, folder, "--detect", "--detector", folder / "a.png").exception, ArtifactError
    )


def test_photo_without_a_face_is_listed_as_such(exported: Exported, tmp_path: Path) -> None:
    photo = write_image(tmp_path / "wall.png", np.full((120, 160, 3), 128, np.uint8))
    answers = json.loads(run(exported, photo, "--format", "json", "--detect").stdout)
    nothing = {
        "face": None,
        "box": None,
        "label": None,
        "confidence": None,
        "top": [],
        "probabilities": {},
        "error": None,
    }
    assert answers == [{"file": str(photo)} | nothing]
    assert "no face" in run(exported, photo, "--detect").stdout


def test_every_face_of_a_photo_is_cut_with_the_margin_that_is_asked_for(
    exported: Exported, tmp_path: Path
) -> None:
    photo = np.full((200, 380, 3), 110, np.uint8)
    for index, left in enumerate((20, 220)):
        photo[30:170, left : left + 140] = shoot(7, "predict", index, 3, 140, 2, freedom=0.5)[0][
            :, :, ::-1
        ]
    file = write_image(tmp_path / "two.png", photo)
    boxes = sorted(YuNet(detector_file()).detect(photo), key=lambda box: box.left)
    assert len(boxes) == 2
    for margin in (None, 0.4):
        options = [] if margin is None else ["--margin", margin]
        answers = json.loads(
            run(
                exported,
                file,
                "--format",
                "json",
                "--detect",
                *options,
            ).stdout
        )
        crops = [crop_face(photo, box, MARGIN if margin is None else margin) for box in boxes]
        expected = Predictor(exported.files["fp32"], threads=1).predict(crops)
        found = [[answer["probabilities"][name] for name in CLASSES] for answer in answers]
        np.testing.assert_allclose(found, expected.probabilities, atol=1e-5)


def test_without_a_detector_the_error_says_how_to_get_one(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fer_cli.predict.command.detector_file", lambda: folder / "fer-dag" / "yunet.onnx"
    )
    monkeypatch.delenv("FER_DETECTOR", raising=False)
    error = run(exported, folder, "--detect").exception
    assert isinstance(error, ArtifactError)
    assert "fer fetch-detector" in str(error) and str(folder) in str(error)


def test_classes_asked_for_are_named_in_their_order(exported: Exported, folder: Path) -> None:
    answer = json.loads(run(exported, folder / "a.png", "--format", "json", "--top", 3).stdout)[0]
    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    assert [(pair["label"], pair["probability"]) for pair in answer["top"]] == ranked
    line = run(exported, folder / "a.png", "--top", 3).stdout.splitlines()[1]
    assert ranked[0][0] in line and f"{ranked[2][0]} {100 * ranked[2][1]:.1f} %" in line
    unsure = run(exported, folder / "a.png", "--top", 2, "--threshold", 1).stdout.splitlines()[1]
    assert "unsure" in unsure and f"{ranked[0][0]} {100 * ranked[0][1]:.1f} %" in unsure


def test_a_bias_is_added_to_the_logits_before_the_temperature(
    exported: Exported, folder: Path
) -> None:
    bias = dict(zip(CLASSES, [0.5, -1.0, 0.0, 2.0, 0.0, 0.0, -0.5], strict=True))
    (folder / "bias.json").write_text(json.dumps(dict(reversed(bias.items()))))
    plain = Predictor(exported.files["fp32"], threads=1).predict([faces(3)[1]])
    powers = np.exp(
        (plain.logits[0].astype(float) + list(bias.values())) / exported.metadata.temperature
    )
    answer = json.loads(
        run(
            exported, folder / "a.png", "--format", "json", "--logit-bias", folder / "bias.json"
        ).stdout
    )[0]
    np.testing.assert_allclose(
        [answer["probabilities"][name] for name in CLASSES], powers / powers.sum(), atol=1e-5
    )
    assert answer["label"] == CLASSES[int(powers.argmax())]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "one number for each"),
        ('{"Angry": 1}', "one number for each"),
        ("{", "no JSON"),
        (None, "no such file"),
        ("nan", "Fear"),
    ],
)
def test_faulty_bias_is_refused(
    exported: Exported, folder: Path, text: str | None, words: str
) -> None:
    if text == "nan":
        text = json.dumps(dict.fromkeys(CLASSES, 0.0) | {"Fear": float("nan")})
    if text is not None:
        (folder / "bias.json").write_text(text)
    error = run(exported, folder, "--logit-bias", folder / "bias.json").exception
    assert isinstance(error, ParamsError) and words in str(error)


@pytest.fixture
def folder_with_faults(folder: Path) -> Path:
    """Beside three images a cut one, a page under an image's name, and a table with a row of
    nothing.
    """
    (folder / "cut.jpg").write_bytes(cv2.imencode(".jpg", faces(1)[0])[1].tobytes()[:-40])
    (folder / "page.png").write_text("<html>not found</html>")
    (folder / "list.csv").write_text("path\ngone.png\na.png\n")
    return folder


def test_image_that_cannot_be_read_takes_no_other_answer_with_it(
    exported: Exported, folder_with_faults: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = [folder_with_faults, folder_with_faults / "list.csv", folder_with_faults / "notes.txt"]
    done = run(exported, *inputs, "--format", "json")
    assert done.exit_code == 1
    answers = json.loads(done.stdout)
    assert [(Path(answer["file"]).name, answer["error"] is None) for answer in answers] == [
        *[
            ("a.png", True),
            ("b.png", True),
            ("cut.jpg", False),
            ("c.PNG", True),
            ("page.png", False),
        ],
        *[("gone.png", False), ("a.png", True), ("notes.txt", False)],
    ]
    for answer in answers:
        assert (
            (answer["label"] is None) == (answer["error"] is not None) == (answer["face"] is None)
        )
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert all("\n" not in line for line in told) and len(told) == 5
    assert (
        str(folder_with_faults / "cut.jpg") in told[0]
        and "list.csv: line 2" in told[2]
        and told[4].startswith("4 of 8")
    )


def test_tables_name_images_that_cannot_be_read(
    exported: Exported, folder_with_faults: Path
) -> None:
    rows = list(
        csv.DictReader(io.StringIO(run(exported, folder_with_faults, "--format", "csv").stdout))
    )
    assert [bool(row["error"]) for row in rows] == [False, False, True, False, True]
    assert all(bool(row["label"]) != bool(row["error"]) for row in rows)
    lines = run(exported, folder_with_faults).stdout.splitlines()[1:]
    assert [line.split()[1] == "error" for line in lines] == [False, False, True, False, True]


def test_strict_stops_at_the_first_image_that_cannot_be_read(
    exported: Exported, folder_with_faults: Path
) -> None:
    done = run(exported, folder_with_faults, "--strict")
    assert isinstance(done.exception, DataError) and "cut.jpg" in str(done.exception)
    assert done.stdout == ""
    assert isinstance(
        run(exported, folder_with_faults / "list.csv", "--strict").exception, DataError
    )


def test_image_that_cannot_be_read_has_no_copy(
    exported: Exported, folder_with_faults: Path, tmp_path: Path
) -> None:
    assert run(exported, folder_with_faults, "--annotate", tmp_path / "drawn").exit_code == 1
    assert sorted(file.name for file in (tmp_path / "drawn").rglob("*.png")) == [
        "a.png",
        "b.png",
        "c.png",
    ]


def test_pixel_limit_is_that_of_the_option_and_its_remedy_too(
    exported: Exported, folder: Path
) -> None:
    error = json.loads(
        run(exported, folder / "a.png", "--format", "json", "--max-pixels", 48 * 52 - 1).stdout
    )[0]["error"]
    assert "48 x 52" in error and "--max-pixels" in error and "clean." not in error
    assert run(exported, folder / "a.png", "--max-pixels", 48 * 52).exit_code == 0


@pytest.mark.parametrize(
    ("size", "warned"),
    [((1200, 1000), True), ((300, 180), True), ((900, 700), False), ((48, 64), False)],
)
def test_photo_that_is_taken_as_one_face_is_warned_of(
    exported: Exported,
    tmp_path: Path,
    size: tuple[int, int],
    warned: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    images = [
        write_image(tmp_path / name, np.full((*size, 3), 90, np.uint8))
        for name in ("one.png", "two.png")
    ]
    assert run(exported, *images).exit_code == 0
    told = [record.getMessage() for record in caplog.records if "--detect" in record.getMessage()]
    assert len(told) == warned
    assert not warned or ("2 of 2" in told[0] and "one.png" in told[0])


def test_network_runs_where_the_option_says_or_says_why_not(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(exported, folder, "--provider", "cpu").stdout == run(exported, folder).stdout
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr("onnxruntime.preload_dlls", lambda: print("no libcublas"))  # noqa: T201
    done = run(exported, folder, "--provider", "cuda")
    assert isinstance(done.exception, ModelError) and "CUDAExecutionProvider" in str(done.exception)
    assert done.stdout == "" and "no libcublas" in done.stderr, "standard output is for answers"


def test_an_answer_that_is_not_finite_is_an_error_of_its_face_only(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_one = Predictor.run

    def broken(self: Predictor, prepared: np.ndarray) -> Predictions:
        found = run_one(self, prepared)
        found.logits[1] = np.nan
        return found

    monkeypatch.setattr(Predictor, "run", broken)
    for output in ("json", "csv", "table"):
        done = run(exported, folder, "--format", output, "--annotate", folder.parent / output)
        assert (done.exit_code == 1 and "no finite answer" in done.output) or output == "table"
        assert "nan" not in done.stdout.lower()
    answers = json.loads(run(exported, folder, "--format", "json").stdout)
    assert [answer["error"] is None for answer in answers] == [True, False, True]
    assert answers[1]["label"] is None and answers[1]["probabilities"] == {}


def test_names_that_are_no_text_are_faults_of_their_own(exported: Exported, folder: Path) -> None:
    (folder / os.fsdecode(b"\xe9.png")).write_bytes((folder / "a.png").read_bytes())
    (folder / "line\nend.png").write_bytes((folder / "a.png").read_bytes())
    for output in ("json", "csv", "table"):
        done = run(exported, folder, "--format", output)
        assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
        assert r"\udce9.png" in done.stdout.replace("\\\\", "\\")
        assert "not UTF-8" in done.stdout or output == "table"
    assert len(run(exported, folder).stdout.splitlines()) == 6


def test_cells_that_a_spreadsheet_takes_for_formulas_are_made_harmless(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "a.png").rename(folder / "=1+1.png")
    done = run(exported, "=1+1.png", "--format", "csv")
    assert done.stdout.splitlines()[1].startswith("./=1+1.png,1,")


def test_a_network_that_knows_drawn_faces_only_says_so_once(
    exported: Exported,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert not exported.metadata.knows_drawn_faces_only
    drawn = replace(exported.metadata, licence="none needed (synthetic sample)")
    assert drawn.knows_drawn_faces_only
    monkeypatch.setattr(OnnxMetadata, "knows_drawn_faces_only", True)
    assert "drawn faces only" not in run(exported, folder).stdout
    assert caplog.text.count("knows drawn faces only") == 1


def test_the_bytes_of_a_call_are_bounded_whatever_the_batch(
    exported: Exported, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_cli.predict.answering._MOST_BYTES", 2 * 3 * 32 * 32)
    calls, run_one = [], Predictor.run
    monkeypatch.setattr(
        Predictor, "run", lambda self, rows: calls.append(len(rows)) or run_one(self, rows)
    )
    run(exported, folder, "--batch", 100_000)
    assert calls == [2, 1]
