"""Subgroups that people recorded: the table beside a data set, and RAF-DB's annotations."""

from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.files.subgroups import read_subgroups, subgroup_text
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from fer_core.sources.layouts.unlabelled import READER as unlabelled
from tests.sources.trees import clean_options, put, rafdb

LANDMARKS = "30.0\t40.0\n" * 5


def table(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "subgroups.csv").write_text(text)
    return folder


def test_a_table_names_what_is_recorded_and_leaves_out_what_is_not(tmp_path: Path) -> None:
    text = "face,gender,age\na/1.png,female,20-39\na/2.png,,70+\na/3.png,,\n"
    assert read_subgroups(open_tree(table(tmp_path, text))) == {
        "a/1.png": "age=20-39;gender=female",
        "a/2.png": "age=70+",
        "a/3.png": "",
    }
    assert read_subgroups(open_tree(put(tmp_path / "b" / "1.png", 1).parent)) == {}
    assert subgroup_text({}) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,gender\na,female\n", "no header"),
        ("face\na\n", "no header"),
        ("face,gender,gender\na,x,y\n", "no header"),
        ("face,Gender!\na,x\n", "no header"),
        ("face,gender\na\n", "gender|columns|cells|face"),
        ("face,gender\na,x=y\n", "no subgroup"),
        ("face,gender\na,x\na,y\n", "twice"),
    ],
)
def test_a_malformed_table_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_subgroups(open_tree(table(tmp_path, text)))


def test_the_table_is_no_face_and_is_covered_by_the_fingerprint(tmp_path: Path) -> None:
    put(tmp_path / "1.png", 1)
    tree = open_tree(tmp_path)
    before = tree.fingerprint(unlabelled.covered(tree))
    table(tmp_path, "face,gender\n1.png,female\n")
    tree = open_tree(tmp_path)
    assert tree.fingerprint(unlabelled.covered(tree)) != before
    assert [entry.key for entry in unlabelled.entries(tree, clean_options())] == ["1.png"]
    assert unlabelled.subgroups(tree) == {"1.png": "gender=female"}


def test_annotations_of_rafdb_give_gender_race_and_age(tmp_path: Path) -> None:
    rafdb(tmp_path, ["train_00001.jpg 1", "test_0001.jpg 2"])
    folder = tmp_path / "Annotation" / "manual"
    folder.mkdir(parents=True)
    (folder / "train_00001_manu_attri.txt").write_text(f"{LANDMARKS}1\n2\n3\n")
    (folder / "test_0001_manu_attri.txt").write_text(f"{LANDMARKS}2\n0\n4\n")
    tree = open_tree(tmp_path)
    assert rafdb_basic.subgroups(tree) == {
        "train_00001.jpg": "age=40-69;gender=female;race=Asian",
        "test_0001.jpg": "age=70+;gender=unsure;race=Caucasian",
    }
    assert "Annotation/manual" in rafdb_basic.covered(tree)
    table(tmp_path, "face,age\ntest_0001.jpg,old\n")
    assert rafdb_basic.subgroups(open_tree(tmp_path)) == {"test_0001.jpg": "age=old"}


@pytest.mark.parametrize("text", [f"{LANDMARKS}1\n2\n", f"{LANDMARKS}1\n2\n9\n"])
def test_a_malformed_annotation_is_an_error(tmp_path: Path, text: str) -> None:
    rafdb(tmp_path, ["train_00001.jpg 1"])
    folder = tmp_path / "Annotation" / "manual"
    folder.mkdir(parents=True)
    (folder / "train_00001_manu_attri.txt").write_text(text)
    with pytest.raises(DataError):
        rafdb_basic.subgroups(open_tree(tmp_path))
