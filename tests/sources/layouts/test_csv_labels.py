"""A csv of paths and labels beside pictures, as people have it."""

import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.csv_labels import READER as csv_labels
from tests.sources.trees import clean_options, put, read, zipped

NAMES = ("Ann_0001.jpg", "Ann_0002.jpg", "Bob_0001.jpg", "Bob_0002.jpg")


def table(root, *lines, name="legend.csv", folder="images"):
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n")
    for seed, file in enumerate(NAMES):
        put(root / folder / file, seed)
    return root


def legend(root, **changes):
    return table(
        root,
        "user.id,image,emotion",
        *(f"302,{name},{word}" for name, word in zip(NAMES, WORDS, strict=True)),
        **changes,
    )


WORDS = ("HAPPINESS", "happiness", "contempt", "Sadness")


def test_labels_in_mixed_case_become_faces_and_contempt_is_left_out(tmp_path):
    legend(tmp_path)
    assert recognise(open_tree(tmp_path)) == "csv_labels"
    faces, exclusions = read(csv_labels, tmp_path)
    assert [(face.sample_id, CLASSES[face.label], face.split) for face in faces] == [
        ("set/Ann_0001.jpg", "Happy", "train"),
        ("set/Ann_0002.jpg", "Happy", "train"),
        ("set/Bob_0002.jpg", "Sad", "train"),
    ]
    assert faces[0].image == (tmp_path / "images/Ann_0001.jpg").read_bytes()
    assert [(item.word, item.detail) for item in exclusions] == [("contempt", "contempt")]
    assert csv_labels.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Happy": 2, "contempt": 1, "Sad": 1}
    }
    assert csv_labels.files(open_tree(tmp_path)) == ["legend.csv", "images"]


@pytest.mark.parametrize(
    "column",
    [
        *("file", "filename", "file_name", "filepath", "File Path", "img_path", "image"),
        *("image_name", "path", "Image_Path", "img", "pth"),
    ],
)
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_are_known_by_the_names_that_people_give_them(tmp_path, column, mark):
    head, line = mark.join(["id", "Emotion", column]), mark.join(["1", "angry", NAMES[0]])
    table(tmp_path, head, line, name="data.tsv")
    faces, _ = read(csv_labels, tmp_path)
    assert [(face.sample_id, face.label) for face in faces] == [(f"set/{NAMES[0]}", 0)]


@pytest.mark.parametrize("prefix", ["images/", "./images/", "images\\"])
def test_paths_may_name_the_folder_of_the_pictures(tmp_path, prefix):
    table(tmp_path, "path,label", f"{prefix}{NAMES[0]},sad")
    faces, _ = read(csv_labels, tmp_path)
    assert [face.sample_id for face in faces] == [f"set/images/{NAMES[0]}"]


def test_columns_of_splits_and_persons_are_read(tmp_path):
    table(
        tmp_path,
        "filename,label,usage,subject",
        f"{NAMES[0]},sad,Training,ann",
        f"{NAMES[2]},sad,test,",
    )
    faces, _ = read(csv_labels, tmp_path)
    assert [(face.split, face.usage, face.group) for face in faces] == [
        ("train", "Training", "set/subject/ann"),
        ("test", "test", f"set/{NAMES[2]}"),
    ]
    assert csv_labels.no_persons(open_tree(tmp_path), clean_options()) == ""
    table(tmp_path, "filename,label,usage", f"{NAMES[0]},sad,holiday")
    with pytest.raises(DataError, match=r"(?s)Unknown split 'holiday'.*line 2"):
        read(csv_labels, tmp_path)


def test_tables_named_after_splits_are_read_together_and_others_are_not_guessed(tmp_path):
    table(tmp_path, "image,label", f"{NAMES[0]},sad", name="train_labels.csv")
    table(tmp_path, "image,label", f"{NAMES[2]},sad", name="test.csv")
    faces, _ = read(csv_labels, tmp_path)
    assert [(face.sample_id, face.split) for face in faces] == [
        (f"set/{NAMES[2]}", "test"),
        (f"set/{NAMES[0]}", "train"),
    ]
    legend(tmp_path)
    with pytest.raises(DataError, match=r"(?s)several tables.*legend\.csv.*fer data add NAME"):
        read(csv_labels, tmp_path)
    faces, _ = read(csv_labels, tmp_path / "legend.csv")
    assert len(faces) == 3


def test_a_picture_listed_twice_gives_two_faces_and_is_named(tmp_path):
    table(
        tmp_path,
        "image,emotion",
        f"{NAMES[0]},sad",
        f"{NAMES[1]},sad",
        f"{NAMES[0]},Happy",
        f"{NAMES[1]},SADNESS",
    )
    faces, _ = read(csv_labels, tmp_path)
    assert [(face.sample_id, CLASSES[face.label]) for face in faces] == [
        (f"set/{NAMES[0]}", "Sad"),
        (f"set/{NAMES[1]}", "Sad"),
        (f"set/{NAMES[0]}#2", "Happy"),
        (f"set/{NAMES[1]}#2", "Sad"),
    ]
    assert faces[0].group == faces[2].group != faces[1].group
    assert [face.note for face in faces[:2]] == [
        "listed more than once, with different labels",
        "listed more than once",
    ]
    (remark,) = csv_labels.remarks(open_tree(tmp_path), clean_options())
    assert remark.startswith("1 pictures are listed more than once with different labels")
    assert f"{NAMES[0]} (line 4)" in remark


def test_numbers_are_no_labels(tmp_path):
    table(tmp_path, "image,label", f"{NAMES[0]},3")
    with pytest.raises(DataError, match=r"(?s)label is a number, '3'.*line 2.*write the names"):
        read(csv_labels, tmp_path)


def test_a_missing_picture_is_named_or_left_out_where_that_is_allowed(tmp_path):
    legend(tmp_path)
    (tmp_path / "images" / NAMES[1]).unlink()
    with pytest.raises(DataError, match=rf"(?s)1 of 4 listed.*line 3.*{NAMES[1]}"):
        read(csv_labels, tmp_path)
    faces, exclusions = read(csv_labels, tmp_path, allow_undecodable=1)
    assert len(faces) == 2
    assert [item.reason for item in exclusions if item.word == "Happy"] == ["undecodable image"]


@pytest.mark.parametrize(
    "head", ["image,score", "name,emotion", "emotion,pixels,Usage", "file,subject"]
)
def test_other_tables_are_not_taken(tmp_path, head):
    table(tmp_path, head, ",".join("x" * (head.count(",") + 1)))
    assert not csv_labels.recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match=r"(?s)another header.*legend\.csv, line 1"):
        read(csv_labels, tmp_path)


def test_a_table_and_its_pictures_may_lie_in_an_archive(tmp_path):
    legend(tmp_path / "raw")
    files = {
        path.relative_to(tmp_path / "raw").as_posix(): path.read_bytes()
        for path in (tmp_path / "raw").rglob("*.*")
    }
    faces, _ = read(csv_labels, zipped(tmp_path / "set.zip", files))
    assert len(faces) == 3


def test_two_columns_of_labels_must_agree(tmp_path):
    """A table with the old and the new label says which is meant, or nobody learns from it."""
    put(tmp_path / "a.png", 1)
    table = tmp_path / "faces.csv"
    table.write_text("file,label,emotion\na.png,happy,Happiness\n")
    assert [CLASSES[face.label] for face in read(csv_labels, tmp_path)[0]] == ["Happy"]
    table.write_text("file,label,emotion\na.png,happy,sad\n")
    with pytest.raises(DataError, match=r"(?s)Two columns.*line 2.*happy,sad.*another name"):
        read(csv_labels, tmp_path)
