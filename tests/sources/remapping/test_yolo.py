"""A detection tree with our classes: what another reader makes of it is what ours makes of the
first one.
"""

import json
from pathlib import Path

import pytest
import yaml

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.affectnet_yolo import READER
from fer_core.sources.remapping.yolo import remap_yolo
from tests.sources.layouts.test_affectnet_yolo import LABELS, yolo_tree
from tests.sources.trees import read, zipped

TWO = {**LABELS, "train/both": "1 0.2 0.5 0.1 0.1\n4 0.7 0.5 0.2 0.2\n"}
"""A photo with a contempt and a happy face."""


def test_our_reader_sees_the_same_faces_before_and_after(tmp_path: Path) -> None:
    before = yolo_tree(tmp_path / "before", TWO)
    told = remap_yolo(open_tree(before), tmp_path / "after")

    def seen(root: Path) -> set[tuple[str, int, str]]:
        faces, _ = read(READER, root, "yolo")
        return {
            (face.sample_id.replace("/valid/", "/val/").split("#")[0], face.label, face.split)
            for face in faces
        }

    assert seen(tmp_path / "after") == seen(before)
    assert told["splits"]["train"] == {
        "lines_kept": 5,
        "lines_dropped": 2,
        "photos_kept": 5,
        "photos_left_out": 1,
    }
    assert told["mapping"]["Contempt"] is None and told["mapping"]["Anger"] == "Angry"
    assert json.loads((tmp_path / "after/remap.json").read_text()) == told


def test_ids_are_ours_and_the_numbers_of_a_box_stay_as_written(tmp_path: Path) -> None:
    remap_yolo(open_tree(yolo_tree(tmp_path / "before", TWO)), tmp_path / "after")
    out = tmp_path / "after"
    head = yaml.safe_load((out / "data.yaml").read_text())
    assert (head["nc"], tuple(head["names"])) == (7, CLASSES)
    assert head["val"] == "val/images" and (out / "val/images/ffhq_7.png").is_file()
    happy = CLASSES.index("Happy")
    assert (out / "train/labels/both.txt").read_text() == f"{happy} 0.7 0.5 0.2 0.2\n"
    assert (out / "train/labels/image0000062.txt").read_text() == "", "nobody was there before"
    assert not (out / "train/labels/image0000060.txt").exists(), "only a face of another class"
    assert not (out / "train/images/image0000060.png").exists()


def test_an_archive_is_rewritten_too(tmp_path: Path) -> None:
    root = yolo_tree(tmp_path / "before")
    members = [file for file in root.rglob("*") if file.is_file()]
    files = {file.relative_to(root).as_posix(): file.read_bytes() for file in members}
    archive = zipped(tmp_path / "yolo.zip", files)
    remap_yolo(open_tree(archive), tmp_path / "after")
    first = tmp_path / "before/train/images/ffhq_1023.png"
    assert (tmp_path / "after/train/images/ffhq_1023.png").read_bytes() == first.read_bytes()


def test_a_faulty_line_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    root = yolo_tree(tmp_path / "before", {**LABELS, "test/bad": "99 0.5 0.5 1 1\n"})
    with pytest.raises(DataError, match=r"bad\.txt, line 1"):
        remap_yolo(open_tree(root), tmp_path / "after")
    assert not (tmp_path / "after").exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="there already"):
        remap_yolo(open_tree(root), tmp_path / "mine")
