import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from tests.sources.trees import clean_options, encoded, picture, put, rafdb, read

LISTED = [
    "train_00001.jpg 1",
    "train_00002.jpg 2",
    "train_00003.jpg 3",
    "train_00004.jpg 4",
    "test_0001.jpg 5",
    "test_0002.jpg 6",
    "test_0003.jpg 7",
]


def test_official_ids_and_prefixes_become_labels_and_splits(tmp_path):
    faces, exclusions = read(rafdb_basic, rafdb(tmp_path, LISTED), "rafdb_basic")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split) for face in faces] == [
        ("rafdb_basic/train_00001.jpg", "Surprise", "train"),
        ("rafdb_basic/train_00002.jpg", "Fear", "train"),
        ("rafdb_basic/train_00003.jpg", "Disgust", "train"),
        ("rafdb_basic/train_00004.jpg", "Happy", "train"),
        ("rafdb_basic/test_0001.jpg", "Sad", "test"),
        ("rafdb_basic/test_0002.jpg", "Angry", "test"),
        ("rafdb_basic/test_0003.jpg", "Neutral", "test"),
    ]
    assert faces[4].image == encoded(picture(4), ".jpg")
    assert rafdb_basic.announce(open_tree(tmp_path), clean_options())["test"] == {
        "Sad": 1,
        "Angry": 1,
        "Neutral": 1,
    }


@pytest.mark.parametrize(
    ("folder", "suffix", "note"),
    [
        ("aligned/aligned", "_aligned", ""),
        ("aligned", "_aligned", ""),
        ("aligned/aligned", "", ""),
        ("aligned", "", ""),
        ("original/original", "", "original picture instead of the aligned face"),
        ("original", "", "original picture instead of the aligned face"),
    ],
)
def test_pictures_are_found_in_every_known_place(tmp_path, folder, suffix, note):
    faces, _ = read(rafdb_basic, rafdb(tmp_path, LISTED, folder, suffix))
    assert len(faces) == 7
    assert {face.note for face in faces} == {note}


def test_aligned_face_is_preferred_to_the_original(tmp_path):
    rafdb(tmp_path, ["train_00001.jpg 1"])
    put(tmp_path / "Image/original/train_00001.jpg", seed=9)
    faces, _ = read(rafdb_basic, tmp_path)
    assert faces[0].image == encoded(picture(0), ".jpg")


def test_missing_image_is_an_error_that_counts_and_names(tmp_path):
    rafdb(tmp_path, LISTED)
    for name in ("train_00002", "test_0003"):
        (tmp_path / f"Image/aligned/aligned/{name}_aligned.jpg").unlink()
    with pytest.raises(
        DataError, match=r"(?s)2 of 7 listed images are missing.*line 2.*train_00002\.jpg"
    ):
        read(rafdb_basic, tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("train_00009.jpg", "number of columns"),
        ("train_00009.jpg 5 1", "number of columns"),
        ("train_00009.jpg 0", "Unknown emotion id '0'"),
        ("train_00009.jpg 8", "Unknown emotion id '8'"),
        ("valid_00009.jpg 5", "does not say its split"),
        ("train_00001.jpg 5", "listed twice, first in line 1"),
        ("/train_00009.jpg 5", "outside its data set"),
        ("../train_00009.jpg 5", "outside its data set"),
        ("C:\\train_00009.jpg 5", "outside its data set"),
    ],
)
def test_faulty_line_is_named(tmp_path, line, problem):
    rafdb(tmp_path, ["train_00001.jpg 1"])
    (tmp_path / "EmoLabel/list_patition_label.txt").write_text(f"train_00001.jpg 1\n{line}\n")
    with pytest.raises(DataError, match=rf"(?s){problem}.*list_patition_label\.txt, line 2"):
        read(rafdb_basic, tmp_path)


@pytest.mark.parametrize("mark", [" ", ",", "\t", ", "])
@pytest.mark.parametrize("list_at", ["EmoLabel/", "", "basic/", "basic/EmoLabel/"])
@pytest.mark.parametrize("pictures_at", ["Image/aligned/", "aligned/", "Image/"])
def test_lists_and_pictures_in_the_copies_people_have(tmp_path, mark, list_at, pictures_at):
    rafdb(tmp_path / "official", LISTED)
    wanted = [(face.sample_id, face.label) for face in read(rafdb_basic, tmp_path / "official")[0]]
    top = tmp_path / "copy" / ("basic" if list_at.startswith("basic") else "")
    lines = [line.replace(".jpg ", f"_aligned.jpg{mark}") for line in LISTED]
    for seed, line in enumerate(LISTED):
        put(top / f"{pictures_at}{line.split('.')[0]}_aligned.jpg", seed)
    path = tmp_path / "copy" / list_at / "list_patition_label.txt"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(lines) + "\n")
    assert recognise(open_tree(tmp_path / "copy")) == "rafdb_basic"
    faces, _ = read(rafdb_basic, tmp_path / "copy")
    assert [(face.sample_id, face.label) for face in faces] == wanted
    first, folder = rafdb_basic.files(open_tree(tmp_path / "copy"))
    assert first.endswith("list_patition_label.txt") and "." not in folder
