import pytest

from fer_core.errors import DataError
from fer_core.labels import CLASSES
from fer_core.sources import folder7
from fer_core.sources.tree import open_tree
from tests.sources.trees import clean_options, encoded, picture, put, read


def test_split_and_class_folders_with_aliases_become_faces(tmp_path):
    put(tmp_path / "train/happiness/b.png", seed=1)
    put(tmp_path / "train/angry/deep/a.jpg")
    put(tmp_path / "validation/SAD/c.png")
    put(tmp_path / "test/suprise/d.bmp")
    faces, exclusions = read(folder7, tmp_path, "custom")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("custom/test/suprise/d.bmp", "Surprise", "test", "test"),
        ("custom/train/angry/deep/a.jpg", "Angry", "train", "train"),
        ("custom/train/happiness/b.png", "Happy", "train", "train"),
        ("custom/validation/SAD/c.png", "Sad", "val", "validation"),
    ]
    assert faces[2].image == encoded(picture(1))


def test_flat_class_folders_are_all_train(tmp_path):
    put(tmp_path / "fear/a.png")
    put(tmp_path / "neutral/b.png")
    faces, _ = read(folder7, tmp_path)
    assert [(CLASSES[face.label], face.split) for face in faces] == [("Fear", "train"), ("Neutral", "train")]


def test_several_collections_side_by_side_keep_their_own_form(tmp_path):
    put(tmp_path / "mine/happy/a.png")
    put(tmp_path / "theirs/test/happy/a.png")
    faces, _ = read(folder7, tmp_path, "custom")
    assert [(face.sample_id, face.split) for face in faces] == [
        ("custom/mine/happy/a.png", "train"),
        ("custom/theirs/test/happy/a.png", "test"),
    ]


def test_unknown_folders_and_other_files_are_excluded_and_counted(tmp_path):
    put(tmp_path / "train/happy/a.png")
    put(tmp_path / "train/Contempt/b.png")
    put(tmp_path / "extra/happy/c.png")
    (tmp_path / "train/happy/notes.txt").write_text("x")
    (tmp_path / "train/happy/Thumbs.db").write_text("x")
    (tmp_path / ".hidden").mkdir()
    put(tmp_path / ".hidden/d.png")
    faces, exclusions = read(folder7, tmp_path)
    assert len(faces) == 1
    assert [(item.reason, item.detail) for item in exclusions] == [
        ("folder name is no split", "extra/happy/c.png"),
        ("folder name is none of the seven classes", "train/Contempt/b.png"),
        ("not an image file", "train/happy/notes.txt"),
    ]
    announced = folder7.announce(open_tree(tmp_path), clean_options())
    assert announced == {"none": {"extra": 1}, "train": {"Happy": 1, "contempt": 1, "(other file)": 1}}


def test_folder_without_class_folders_is_refused(tmp_path):
    put(tmp_path / "holiday/a.png")
    assert not folder7.recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match="holiday"):
        read(folder7, tmp_path)
