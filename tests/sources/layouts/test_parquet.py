"""Parquet files as Hugging Face writes them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts import parquet as module
from fer_core.sources.layouts.parquet import READER as parquet
from tests.sources.drawn import hugging_face
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped

NAMES = ["happy", "Sad", "contempt"]


def row(seed, label, name=None):
    return {"image": {"bytes": encoded(picture(seed)), "path": name}, "label": label}


def test_numbers_mean_what_the_metadata_say(tmp_path):
    rows = [row(1, 0, "a.png"), row(2, 1, "x/b.png"), row(3, 2), row(4, None)]
    hugging_face(tmp_path / "data/train-00000-of-00002-abc.parquet", rows, NAMES)
    hugging_face(tmp_path / "data/train-00001-of-00002-abc.parquet", [row(5, 1)], NAMES)
    hugging_face(tmp_path / "data/validation-00000-of-00001-abc.parquet", [row(6, 0)], NAMES)
    hugging_face(tmp_path / "data/test-00000-of-00001-abc.parquet", [row(7, 0)], NAMES)
    (tmp_path / "README.md").write_text("x")
    assert recognise(open_tree(tmp_path)) == "parquet"
    faces, exclusions = read(parquet, tmp_path)
    assert [(face.sample_id, CLASSES[face.label], face.split) for face in faces] == [
        ("set/test-0000000", "Happy", "test"),
        ("set/train-0000000/a.png", "Happy", "train"),
        ("set/train-0000001/b.png", "Sad", "train"),
        ("set/train-0000004", "Sad", "train"),
        ("set/val-0000000", "Happy", "val"),
    ]
    assert faces[1].image == encoded(picture(1))
    assert [item.word for item in exclusions] == ["contempt", "(no label)"]
    assert parquet.announce(open_tree(tmp_path), clean_options())["train"] == {
        "Happy": 1,
        "Sad": 2,
        "contempt": 1,
        "(no label)": 1,
    }


def test_words_paths_and_persons(tmp_path):
    put(tmp_path / "images/a.png")
    table = {
        "image": pa.array([{"path": "images/a.png"}], pa.struct([("path", pa.string())])),
        "emotion": ["ANGER"],
        "split": ["validation"],
        "subject": [7],
    }
    pq.write_table(pa.table(table), tmp_path / "faces.parquet")
    (face,), _ = read(parquet, tmp_path)
    assert (face.label, face.split, face.usage, face.group) == (
        0,
        "val",
        "validation",
        "set/subject/7",
    )
    assert face.image == (tmp_path / "images/a.png").read_bytes()
    assert parquet.files(open_tree(tmp_path)) == ["faces.parquet", "images"]
    assert parquet.no_persons(open_tree(tmp_path), clean_options()) == ""
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(DataError, match=r"(?s)missing.*images/a\.png"):
        read(parquet, tmp_path)


def test_rows_of_a_split_have_one_number_each_whatever_file_they_are_in(tmp_path):
    columns = {"img": [encoded(picture(1))] * 2, "label": ["sad"] * 2, "split": ["test", "train"]}
    for name in ("all.parquet", "test.parquet"):
        pq.write_table(pa.table(columns), tmp_path / name)
    faces, _ = read(parquet, tmp_path)
    assert sorted(face.sample_id for face in faces) == [
        f"set/{split}-000000{number}" for split in ("test", "train") for number in (0, 1)
    ]


def test_plain_bytes_and_folders_of_splits(tmp_path):
    for split in ("train", "test"):
        place = tmp_path / "default" / split / "0000.parquet"
        place.parent.mkdir(parents=True)
        pq.write_table(pa.table({"img": [encoded(picture(1))], "label": ["sad"]}), place)
    faces, _ = read(parquet, tmp_path)
    assert [(face.sample_id, face.split) for face in faces] == [
        ("set/test-0000000", "test"),
        ("set/train-0000000", "train"),
    ]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": [b"x"], "label": [3]}, "Labels are numbers"),
        ({"image": [b"x"], "score": ["sad"]}, "no column of images or none of labels"),
        ({"pixels": ["1 2"], "label": ["sad"]}, "no column of images or none of labels"),
        ({"image": [b"x"], "label": [0.5]}, "neither words nor numbers"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path, columns, words):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert not parquet.recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match=rf"(?s){words}.*a\.parquet"):
        read(parquet, tmp_path)


def test_numbers_without_a_name_and_large_row_groups_are_refused(tmp_path, monkeypatch):
    hugging_face(tmp_path / "a.parquet", [row(1, 3)], NAMES)
    with pytest.raises(DataError, match=r"(?s)Label 3 has no name.*row 1.*happy, Sad"):
        read(parquet, tmp_path)
    hugging_face(tmp_path / "a.parquet", [row(1, 0)], NAMES)
    monkeypatch.setattr(module, "_LARGEST_GROUP", 100)
    with pytest.raises(DataError, match=r"(?s)row group.*too large.*row_group_size"):
        read(parquet, tmp_path)


@pytest.mark.parametrize("names", ["x" * 5, "[" * 100_000, '{"info": ' * 50_000, "9" * 5000])
def test_hostile_metadata_are_no_names(tmp_path, names):
    table = pa.table({"image": [b"x"], "label": [3]}).replace_schema_metadata(
        {"huggingface": names}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="Labels are numbers"):
        read(parquet, tmp_path)


def test_snapshots_of_the_hub_are_links_to_its_store(tmp_path):
    repository = tmp_path / "datasets--x--faces"
    hugging_face(repository / "blobs/abc", [row(1, 0)], NAMES)
    data = repository / "snapshots/0123/data"
    data.mkdir(parents=True)
    (data / "train-0.parquet").symlink_to("../../../blobs/abc")
    for place in (repository / "snapshots/0123", data):
        assert len(read(parquet, place)[0]) == 1
    (tmp_path / "secret").write_bytes(b"x")
    (data / "test-0.parquet").symlink_to("../../../../secret")
    with pytest.raises(DataError, match="out of the data set"):
        read(parquet, repository / "snapshots/0123")


def test_a_table_in_an_archive(tmp_path):
    data = hugging_face(tmp_path / "train.parquet", [row(1, 0)], NAMES).read_bytes()
    assert len(read(parquet, zipped(tmp_path / "a.zip", {"d/train.parquet": data}))[0]) == 1
