"""`fer data crop`, and what `fer data add` says of whole photos."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_core.base.errors import DataError
from fer_core.sample.portrait import shoot
from tests.fer_cli.adding import faces, fer
from tests.sources.trees import encoded


def photo(people: int = 1, side: int = 90, seed: int = 7) -> np.ndarray:
    """BGR, 400 x 600: drawn faces in rows of five on grey."""
    picture = np.full((400, 600, 3), 110, np.uint8)
    for number in range(people):
        face = cv2.resize(
            shoot(seed + number % 3, "detection", 0, 3, 300, 2, freedom=0.3)[0], (side, side)
        )
        top, left = 60 + number // 5 * 160, 20 + number % 5 * 115
        picture[top : top + side, left : left + side] = face
    return picture


def save(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture, path.suffix))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    save(folder / "happy/ann/one.png", photo())
    save(folder / "sad/ten.png", photo(10, side=70))
    save(folder / "sad/nobody.png", photo(0))
    (folder / "sad/broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    return folder


def log(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_faces_keep_their_folders_and_every_photo_is_accounted_for(photos, tmp_path):
    before = {path: path.read_bytes() for path in photos.rglob("*.*") if path.is_file()}
    out = tmp_path / "cut"
    text = fer("crop", photos, out)
    assert files(out) == ["faces/happy/ann/one.png", "faces/sad/ten.png", "log.csv", "sheet.html"]
    assert "2 faces of 4 photos" in text and "1 with one face" in text
    assert "1 with several faces: the largest was cut out: sad/ten.png" in text
    assert "1 without a face: sad/nobody.png" in text
    assert "1 could not be read: sad/broken.jpg" in text
    rows = log(out)
    assert len([row for row in rows if row["photo"] == "sad/ten.png"]) > 5
    (one,) = [row for row in rows if row["photo"] == "happy/ann/one.png"]
    assert one["outcome"] == "cut out" and float(one["score"]) > 0.7
    assert abs(int(one["left"]) + int(one["width"]) / 2 - 65) < 15
    page = (out / "sheet.html").read_text()
    assert page.count("<img") == 3 and "sad/nobody.png" in page and "http" not in page
    assert before == {path: path.read_bytes() for path in photos.rglob("*.*") if path.is_file()}


@pytest.mark.parametrize(("several", "least"), [("all", 6), ("skip", 0)])
def test_ten_people_in_one_photo_are_all_taken_or_left_out(photos, tmp_path, several, least):
    text = fer("crop", photos, tmp_path / "cut", "--faces", several)
    found = [name for name in files(tmp_path / "cut/faces/") if name.startswith("sad/ten")]
    assert len(found) >= least and bool(found) == bool(least)
    assert ("--group-pattern" in text) == (several == "all")


def test_crop_is_upright_as_exif_says(photos, tmp_path):
    turned = np.ascontiguousarray(np.rot90(photo()))
    jpeg = encoded(turned, ".jpg")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    folder = photos.with_name("turned")
    folder.mkdir()
    header = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big")
    (folder / "a.jpg").write_bytes(jpeg[:2] + header + exif + jpeg[2:])
    fer("crop", folder, tmp_path / "cut")
    (row,) = log(tmp_path / "cut")
    assert abs(int(row["left"]) + int(row["width"]) / 2 - 65) < 15


def test_persons_are_carried_over_to_the_crops(photos, tmp_path):
    (photos / "subjects.csv").write_text("file,subject\nhappy/ann/one.png,Ann\nsad/ten.png,Bo\n")
    fer("crop", photos, tmp_path / "cut")
    assert (tmp_path / "cut/faces/subjects.csv").read_text().splitlines() == [
        "file,subject",
        "happy/ann/one.png,Ann",
        "sad/ten.png,Bo",
    ]


def test_pictures_of_one_name_have_two_crops(tmp_path):
    for name in ("a.png", "a.bmp"):
        save(tmp_path / "photos" / name, photo())
    fer("crop", tmp_path / "photos", tmp_path / "cut")
    assert files(tmp_path / "cut/faces") == ["a.bmp.png", "a.png.png"]


def test_nothing_is_written_among_the_photos_or_over_anything(photos, tmp_path):
    with pytest.raises(DataError, match="among the photos"):
        fer("crop", photos, photos / "cut")
    save(tmp_path / "full/a.png", photo())
    with pytest.raises(DataError, match="there already"):
        fer("crop", photos, tmp_path / "full")
    with pytest.raises(DataError, match="no pictures"):
        (tmp_path / "empty").mkdir()
        fer("crop", tmp_path / "empty", tmp_path / "cut")


def test_photos_without_any_face_are_an_error_that_says_what_faces_are_found(tmp_path):
    save(tmp_path / "photos/a.png", photo(0))
    with pytest.raises(DataError, match=r"No face was cut out[\s\S]*from the front"):
        fer("crop", tmp_path / "photos", tmp_path / "cut")


def test_adding_whole_photos_names_the_command_and_its_result_is_no_longer_photos(
    data_project, tmp_path
):
    folder = tmp_path / "my photos"
    for seed in range(3):
        save(folder / f"happy/{seed}.png", photo(side=100, seed=seed + 5))
    text = fer("add", "mine", folder)
    command = f"fer data crop '{folder}' '{folder}_faces'"
    assert "whole photos" in text and command in text
    fer("crop", folder, f"{folder}_faces")
    text = fer("add", "cut", f"{folder}_faces")
    assert "whole photos" not in text
    assert faces(data_project, "cut") == 3


def test_without_a_detector_adding_says_that_nobody_looked(data_project, tmp_path, monkeypatch):
    save(tmp_path / "set/happy/a.png", photo())
    absent = lambda: tmp_path / "absent.onnx"  # noqa: E731
    monkeypatch.setattr("fer_core.sources.cropping.whole_photos.detector_file", absent)
    assert "nobody looked whether these are faces or whole photos" in fer(
        "add", "mine", tmp_path / "set"
    )
