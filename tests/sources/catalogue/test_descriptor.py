import json

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.descriptor import (
    Descriptor,
    absent,
    checked_tree,
    read_descriptor,
    scanned,
    write_descriptor,
)
from tests.sources.trees import put, rafdb

ABSENT = Descriptor("rafdb_basic", "rafdb_basic", False, "research only")


@pytest.fixture
def raw(tmp_path):
    rafdb(tmp_path / "raw/raf", ["train_00001.jpg 1", "test_0001.jpg 2"])
    return tmp_path / "raw"


def test_descriptor_round_trips_and_holds_no_machine_path(tmp_path, raw):
    present = scanned(ABSENT, raw, "rafdb_basic", "raf")
    path = write_descriptor(tmp_path / "sources", present)
    assert read_descriptor(path) == present
    assert str(tmp_path) not in path.read_text()
    assert list(json.loads(path.read_text())) == [
        "name",
        "layout",
        "present",
        "root",
        "files",
        "bytes",
        "fingerprint",
        "labels",
        "licence",
    ]
    assert read_descriptor(write_descriptor(tmp_path / "sources", absent(present))) == ABSENT
    sample = Descriptor("sample_rafdb", "rafdb_basic", True, "CC0", sample={"seed": 1})
    assert read_descriptor(write_descriptor(tmp_path / "sources", sample)) == sample


def test_unchanged_tree_is_accepted_wherever_the_raw_folder_lies(tmp_path, raw):
    present = scanned(ABSENT, raw, "rafdb_basic", "raf")
    raw.rename(tmp_path / "elsewhere")
    assert checked_tree(present, tmp_path / "elsewhere").place == tmp_path / "elsewhere/raf"


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "grown"])
def test_changed_tree_is_refused(raw, change):
    present = scanned(ABSENT, raw, "rafdb_basic", "raf")
    image = raw / "raf/Image/aligned/aligned/test_0001_aligned.jpg"
    if change == "added":
        put(image.with_name("more.jpg"))
    elif change == "removed":
        image.unlink()
    elif change == "renamed":
        image.rename(image.with_name("test_0002_aligned.jpg"))
    else:
        image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"(?s)no longer.*fer data refresh rafdb_basic"):
        checked_tree(present, raw)


def test_a_label_mended_in_place_is_noticed_and_a_descriptor_of_an_earlier_version_is_still_valid(
    tmp_path, raw
):
    path = write_descriptor(tmp_path / "sources", scanned(ABSENT, raw, "rafdb_basic", "raf"))
    labels = raw / "raf/EmoLabel/list_patition_label.txt"
    labels.write_text(labels.read_text().replace("train_00001.jpg 1", "train_00001.jpg 3"))
    with pytest.raises(DataError, match=r"(?s)no longer.*fer data refresh rafdb_basic"):
        checked_tree(read_descriptor(path), raw)
    values = json.loads(path.read_text())
    del values["labels"]
    path.write_text(json.dumps(values))
    checked_tree(read_descriptor(path), raw)


def test_litter_and_unrelated_files_do_not_count(raw):
    present = scanned(ABSENT, raw, "rafdb_basic", "raf")
    (raw / "raf/Image/.DS_Store").write_text("x")
    (raw / "raf/Image/Thumbs.db").write_text("x")
    (raw / "raf/notes.txt").write_text("x")
    checked_tree(present, raw)


def test_missing_raw_folder_names_the_remedy(tmp_path, raw):
    present = scanned(ABSENT, raw, "rafdb_basic", "raf")
    with pytest.raises(
        DataError, match=r"(?s)not on this machine.*fer data add rafdb_basic PATH.*FER_RAW"
    ):
        checked_tree(present, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"root": "/abs"}, "root: /abs"),
        ({"root": "a/../../b"}, "root: a"),
        ({"root": "C:\\x"}, "root: C"),
        ({"files": "3"}, r"files: .*found '3'"),
        ({"present": 1}, r"present: .*found 1"),
        ({"layout": "imagenet"}, "imagenet"),
        ({"name": "other"}, "name: other"),
        ({"colour": "red"}, "colour"),
        ({"fingerprint": None}, "fingerprint must be there"),
    ],
)
def test_descriptor_that_breaks_its_contract_is_refused(tmp_path, raw, change, found):
    path = write_descriptor(tmp_path / "sources", scanned(ABSENT, raw, "rafdb_basic", "raf"))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=found):
        read_descriptor(path)


def test_unknown_descriptor_lists_the_known_ones_and_says_what_adds_it(tmp_path):
    write_descriptor(tmp_path, ABSENT)
    with pytest.raises(DataError, match=r"(?s)one of rafdb_basic.*fer data add imagenet PATH"):
        read_descriptor(tmp_path / "imagenet.json")


def test_descriptor_that_is_no_json_is_to_be_restored_or_written_anew(tmp_path):
    (tmp_path / "expw.json").write_text("{")
    with pytest.raises(
        DataError, match=r"(?s)not valid JSON.*expw\.json.*git checkout.*fer data add NAME PATH"
    ):
        read_descriptor(tmp_path / "expw.json")


def test_unknown_layout_lists_the_known_ones_with_a_remedy(tmp_path):
    (tmp_path / "expw.json").write_text(
        json.dumps({"name": "expw", "layout": "imagenet", "present": False})
    )
    with pytest.raises(DataError, match=r"(?s)imagenet.*fer2013, ferplus.*remedy"):
        read_descriptor(tmp_path / "expw.json")
