import shutil
from pathlib import Path

import pytest

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.labels import CLASSES
from fer_core.base.params import parse_section
from fer_core.sources.catalogue.options import RafCompoundOptions
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from fer_core.sources.layouts.rafdb_compound import READER as rafdb_compound
from tests.sources.trees import clean_options, encoded, picture, put, rafdb, read, zipped

# official ids: 1 Happily Surprised, 2 Happily Disgusted, 3 Sadly Fearful, 4 Sadly Angry, 5 Sadly
# Surprised, 6 Sadly Disgusted, 7 Fearfully Angry, 8 Fearfully Surprised, 9 Angrily Surprised, 10
# Angrily Disgusted, 11 Disgustedly Surprised
LISTED = [
    "train_0001.jpg 1",
    "train_0002.jpg 2",
    "train_0003.jpg 3",
    "train_0004.jpg 4",
    "train_0005.jpg 5",
    "train_0006.jpg 6",
    "train_0007.jpg 7",
    "test_0001.jpg 8",
    "test_0002.jpg 9",
    "test_0003.jpg 10",
    "test_0004.jpg 11",
    "test_0005.jpg 1",
]
FIRST_NAMED = {
    1: "Happy",
    2: "Happy",
    3: "Sad",
    4: "Sad",
    5: "Sad",
    6: "Sad",
    7: "Fear",
    8: "Fear",
    9: "Angry",
    10: "Angry",
    11: "Disgust",
}


def mapped(**targets: str) -> dict[str, object]:
    """Options with some targets changed: `_5="exclude"`."""
    return {
        "rafdb_compound": {
            "mapping": FIRST_NAMED | {int(name[1:]): target for name, target in targets.items()}
        }
    }


def test_official_ids_become_the_first_named_emotion(tmp_path):
    faces, exclusions = read(rafdb_compound, rafdb(tmp_path, LISTED), "rafdb_compound")
    assert exclusions == []
    assert [(face.sample_id, CLASSES[face.label], face.split) for face in faces] == [
        ("rafdb_compound/train_0001.jpg", "Happy", "train"),
        ("rafdb_compound/train_0002.jpg", "Happy", "train"),
        ("rafdb_compound/train_0003.jpg", "Sad", "train"),
        ("rafdb_compound/train_0004.jpg", "Sad", "train"),
        ("rafdb_compound/train_0005.jpg", "Sad", "train"),
        ("rafdb_compound/train_0006.jpg", "Sad", "train"),
        ("rafdb_compound/train_0007.jpg", "Fear", "train"),
        ("rafdb_compound/test_0001.jpg", "Fear", "test"),
        ("rafdb_compound/test_0002.jpg", "Angry", "test"),
        ("rafdb_compound/test_0003.jpg", "Angry", "test"),
        ("rafdb_compound/test_0004.jpg", "Disgust", "test"),
        ("rafdb_compound/test_0005.jpg", "Happy", "test"),
    ]
    assert [face.image for face in faces] == [encoded(picture(seed), ".jpg") for seed in range(12)]
    assert {(face.usage, face.note) for face in faces} == {("train", ""), ("test", "")}
    assert rafdb_compound.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Happy": 2, "Sad": 4, "Fear": 1},
        "test": {"Fear": 1, "Angry": 2, "Disgust": 1, "Happy": 1},
    }


@pytest.mark.parametrize("name", ["list_patition_label.txt", "list_partition_label.txt"])
@pytest.mark.parametrize("top", ["", "compound"])
def test_list_is_found_in_both_spellings_and_below_its_folder(tmp_path, top, name):
    root = rafdb(tmp_path / top, LISTED)
    (root / "EmoLabel/list_patition_label.txt").rename(root / "EmoLabel" / name)
    assert rafdb_compound.recognise(open_tree(tmp_path))
    assert len(read(rafdb_compound, tmp_path)[0]) == 12


@pytest.mark.parametrize(
    ("folder", "suffix", "note"),
    [
        ("aligned/aligned", "_aligned", ""),
        ("aligned", "_aligned", ""),
        ("aligned", "", ""),
        ("original/original", "", "original picture instead of the aligned face"),
        ("original", "", "original picture instead of the aligned face"),
    ],
)
def test_pictures_are_found_in_every_known_place(tmp_path, folder, suffix, note):
    faces, _ = read(rafdb_compound, rafdb(tmp_path, LISTED, folder, suffix))
    assert len(faces) == 12 and {face.note for face in faces} == {note}


def test_pictures_are_read_from_their_archive_in_place(tmp_path):
    wanted = read(rafdb_compound, rafdb(tmp_path, LISTED))
    inner = {
        f"aligned/{path.name}": path.read_bytes()
        for path in (tmp_path / "Image/aligned/aligned").iterdir()
    }
    shutil.rmtree(tmp_path / "Image/aligned")
    zipped(tmp_path / "Image/aligned.zip", inner)
    assert read(rafdb_compound, tmp_path) == wanted


def test_excluded_emotions_are_counted_under_their_own_name(tmp_path):
    rafdb(tmp_path, LISTED)
    faces, exclusions = read(rafdb_compound, tmp_path, "set", **mapped(_5="exclude", _11="exclude"))
    assert len(faces) == 10
    assert [
        (item.sample_id, item.reason, item.detail, item.split, item.word) for item in exclusions
    ] == [
        (
            "set/train_0005.jpg",
            "RAF-DB compound: emotion excluded by the mapping",
            "Sadly Surprised",
            "train",
            "Sadly Surprised",
        ),
        (
            "set/test_0004.jpg",
            "RAF-DB compound: emotion excluded by the mapping",
            "Disgustedly Surprised",
            "test",
            "Disgustedly Surprised",
        ),
    ]
    announced = rafdb_compound.announce(
        open_tree(tmp_path), clean_options(**mapped(_5="exclude", _11="exclude"))
    )
    assert announced["train"] == {"Happy": 2, "Sad": 3, "Fear": 1, "Sadly Surprised": 1}


def test_mapping_sets_the_class(tmp_path):
    faces, _ = read(rafdb_compound, rafdb(tmp_path, LISTED), "set", **mapped(_8="Surprise"))
    assert [CLASSES[face.label] for face in faces].count("Surprise") == 1


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({key: value for key, value in FIRST_NAMED.items() if key != 7}, "every id from 1 to 11"),
        (FIRST_NAMED | {12: "Sad"}, "every id from 1 to 11"),
        (FIRST_NAMED | {3: "Sadness"}, "Sadness: not one of Angry"),
        (FIRST_NAMED | {3: None}, "valid string"),
    ],
)
def test_faulty_mapping_is_refused_by_its_key(mapping, problem):
    with pytest.raises(ParamsError, match=rf"clean\.rafdb_compound\.mapping.*{problem}"):
        parse_section("clean.rafdb_compound", {"mapping": mapping}, RafCompoundOptions)


def test_shipped_mapping_is_the_first_named_and_ids_may_be_quoted():
    assert RafCompoundOptions().mapping == FIRST_NAMED
    quoted = {str(key): value for key, value in FIRST_NAMED.items()}
    assert (
        parse_section("clean.rafdb_compound", {"mapping": quoted}, RafCompoundOptions).mapping
        == FIRST_NAMED
    )


def test_list_of_the_other_set_is_refused_with_its_line_and_the_way_out(tmp_path):
    compound = rafdb(tmp_path / "compound", LISTED)
    with pytest.raises(
        DataError,
        match=r"(?s)Unknown emotion id '8'.*list_patition_label\.txt, line 8.*fer data add "
        r"rafdb_compound",
    ):
        rafdb_basic.announce(open_tree(compound), clean_options())
    basic = rafdb(
        tmp_path / "basic", [f"train_0000{number}.jpg {number}" for number in range(1, 8)]
    )
    with pytest.raises(
        DataError,
        match=r"(?s)basic set.*list_patition_label\.txt, line 7.*fer data add rafdb_basic",
    ):
        rafdb_compound.announce(open_tree(basic), clean_options())


def test_small_list_that_lacks_the_upper_ids_is_read_as_announced(tmp_path):
    rafdb(tmp_path / "compound", ["train_0001.jpg 1", "train_0002.jpg 7"])
    for root in (tmp_path, tmp_path / "compound"):
        faces, _ = read(rafdb_compound, root)
        assert [CLASSES[face.label] for face in faces] == ["Happy", "Fear"]
    assert rafdb_compound.recognise(open_tree(tmp_path))
    assert not rafdb_compound.recognise(open_tree(tmp_path / "compound"))


def test_missing_image_is_an_error_that_counts_and_names(tmp_path):
    rafdb(tmp_path, LISTED)
    (tmp_path / "Image/aligned/aligned/test_0003_aligned.jpg").unlink()
    with pytest.raises(
        DataError, match=r"(?s)1 of 12 listed images are missing.*line 10.*test_0003\.jpg"
    ):
        read(rafdb_compound, tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("train_0009.jpg", "number of columns"),
        ("train_0009.jpg 5 1", "number of columns"),
        ("train_0009.jpg 0", "Unknown emotion id '0'"),
        ("train_0009.jpg 12", "Unknown emotion id '12'"),
        ("train_0009.jpg Sad", "Unknown emotion id 'Sad'"),
        ("valid_0009.jpg 5", "does not say its split"),
        ("train_0001.jpg 5", "listed twice, first in line 1"),
        ("/train_0009.jpg 5", "outside its data set"),
        ("train/../../train_0009.jpg 5", "outside its data set"),
    ],
)
def test_faulty_line_is_named(tmp_path, line, problem):
    put(tmp_path / "Image/aligned/train_0001_aligned.jpg")
    (tmp_path / "EmoLabel").mkdir()
    (Path(tmp_path) / "EmoLabel/list_patition_label.txt").write_text(f"train_0001.jpg 9\n{line}\n")
    with pytest.raises(DataError, match=rf"(?s){problem}.*list_patition_label\.txt, line 2"):
        read(rafdb_compound, tmp_path)
