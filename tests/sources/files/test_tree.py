import hashlib
import os
from dataclasses import replace

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import put, zipped


def test_fingerprint_is_that_of_sorted_names_and_sizes(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x").write_text("12345")
    (tmp_path / "a").write_text("1")
    found = open_tree(tmp_path).fingerprint(["b", "a"])
    assert (found.files, found.bytes) == (2, 6)
    assert found.sha256 == hashlib.sha256(b"a\t1\nb/x\t5\n").hexdigest()
    assert open_tree(tmp_path).fingerprint([""]) == found


def test_contents_count_for_label_files_alone(tmp_path):
    for name in (
        "labels.csv",
        "list.LST",
        "train/labels/a.txt",
        "data.yaml",
        "a_exp.npy",
        "fer2013.csv.gz",
        "a.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
        before = open_tree(tmp_path).fingerprint([""])
        (tmp_path / name).write_text("2")
        after = open_tree(tmp_path).fingerprint([""])
        assert before.sha256 == after.sha256
        assert (before == after) == (name == "a.png"), name
        assert replace(before, labels="").fits(after), "what an earlier version recorded"


def test_top_links_are_followed_but_not_in_circles(tmp_path):
    put(tmp_path / "far/a.png")
    (tmp_path / "near").mkdir()
    (tmp_path / "near/link").symlink_to(tmp_path / "far")
    assert list(open_tree(tmp_path / "near").walk()) == ["link/a.png"]
    (tmp_path / "far/back").symlink_to(tmp_path / "near")
    with pytest.raises(DataError, match="circle"):
        list(open_tree(tmp_path / "near").walk())


def test_links_below_the_top_stay_inside(tmp_path):
    put(tmp_path / "set/images/a.png")
    (tmp_path / "secret.txt").write_text("x")
    (tmp_path / "set/images/b.png").symlink_to(tmp_path / "set/images/a.png")
    assert list(open_tree(tmp_path / "set").walk()) == ["images/a.png", "images/b.png"]
    (tmp_path / "set/images/c.png").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match=r"(?s)leads out of the data set.*c\.png"):
        open_tree(tmp_path / "set").read("images/c.png")


def test_dead_link_is_an_error(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "nothing")
    with pytest.raises(DataError, match="leads nowhere"):
        list(open_tree(tmp_path).walk())


def test_an_archive_is_the_folder_of_its_name_unless_that_is_there(tmp_path):
    zipped(tmp_path / "images.zip", {"a.png": b"zip", "inner/b.png": b"b"})
    tree = open_tree(tmp_path)
    assert list(tree.walk()) == ["images/a.png", "images/inner/b.png"]
    assert tree.read("images/a.png") == b"zip"
    assert tree.is_archive("images")
    before = tree.fingerprint(["images"])
    assert before.files == 1  # the archive itself
    put(tmp_path / "images/a.png")
    assert list(open_tree(tmp_path).walk()) == ["images/a.png"]
    assert open_tree(tmp_path).fingerprint(["images"]) != before


def test_case_is_ignored_where_that_is_unambiguous(tmp_path):
    put(tmp_path / "Image/Train_1.JPG")
    tree = open_tree(tmp_path)
    assert tree.is_file("image/train_1.jpg")
    put(tmp_path / "Image/train_1.JPG", 1)
    tree = open_tree(tmp_path)
    assert tree.read("Image/train_1.JPG") != tree.read("Image/Train_1.JPG")
    assert not tree.is_file("Image/TRAIN_1.jpg")


def test_a_whole_data_set_or_a_folder_of_it_in_an_archive(tmp_path):
    zipped(tmp_path / "set.zip", {"top/train/happy/a.png": b"a"})
    assert list(open_tree(tmp_path / "set.zip").walk()) == ["top/train/happy/a.png"]
    inner = open_tree(tmp_path / "set.zip/top")
    assert list(inner.walk()) == ["train/happy/a.png"]
    assert inner.fingerprint([""]).files == 1
    with pytest.raises(DataError, match="no such folder"):
        open_tree(tmp_path / "set.zip/bottom")
    with pytest.raises(DataError, match="nothing at this path"):
        open_tree(tmp_path / "other.zip")
    (tmp_path / "x.7z").write_bytes(b"7z")
    with pytest.raises(DataError, match=r"(?s)no archive that can be read.*unpack"):
        open_tree(tmp_path / "x.7z")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"(?s)missing.*b/c\.png"):
        open_tree(tmp_path).read("b/c.png")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"(?s)neither a file nor a folder.*a\.png"):
        list(open_tree(tmp_path).walk())


def test_folders_inside_each_other_without_end_are_refused(tmp_path):
    (tmp_path / "/".join("d" * 200)).mkdir(parents=True)
    with pytest.raises(DataError, match="Too many folders"):
        list(open_tree(tmp_path).walk())
    assert not open_tree(tmp_path).is_file("x/" * 5000 + "a.png")


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(DataError, match=r"(?s)too large.*a\.png"):
        open_tree(tmp_path).read("a.png")
