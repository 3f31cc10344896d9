import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.registry import LAYOUTS, reader_for, recognise
from fer_core.sources.files.tree import open_tree
from tests.sources import drawn
from tests.sources.trees import (
    clean_options,
    expw,
    fer2013_csv,
    fer2013_rows,
    ferplus_csv,
    put,
    rafdb,
)


def test_each_layout_is_recognised_by_its_own_tree(tmp_path):
    fer2013_csv(tmp_path / "fer2013/fer2013.csv", fer2013_rows([(0, "Training")]))
    fer2013_csv(tmp_path / "ferplus/fer2013.csv", fer2013_rows([(0, "Training")]))
    ferplus_csv(tmp_path / "ferplus/fer2013new.csv", [])
    put(tmp_path / "ferplus_pictures/FER2013Train/fer0000000.png")
    (tmp_path / "ferplus_pictures/FER2013Train/label.csv").touch()
    rafdb(tmp_path / "rafdb_basic", ["train_00001.jpg 1"])
    rafdb(tmp_path / "rafdb_compound", ["train_0001.jpg 1", "test_0001.jpg 11"])
    (tmp_path / "rafml/EmoLabel").mkdir(parents=True)
    (tmp_path / "rafml/EmoLabel/distribution.txt").touch()
    expw(tmp_path / "expw", ["a.jpg 0 1 1 9 9 50 0"])
    (tmp_path / "affectnet/Manually_Annotated_file_lists").mkdir(parents=True)
    (tmp_path / "affectnet/Manually_Annotated_file_lists/training.csv").touch()
    put(tmp_path / "affectnet_npy/val_set/images/0.jpg")
    put(tmp_path / "affectnet_npy/val_set/annotations/0_exp.png")
    put(tmp_path / "affectnet_yolo/train/images/a.png")
    (tmp_path / "affectnet_yolo/train/labels").mkdir()
    (tmp_path / "affectnet_yolo/data.yaml").touch()
    put(tmp_path / "folder7/train/happy/a.png")
    put(tmp_path / "unlabelled/a.png")
    for layout in ("parquet", "csv_labels", "webcam_session"):
        (tmp_path / layout).mkdir()
        drawn.LAYOUTS[layout].build(tmp_path / layout)
    for layout in LAYOUTS:
        assert recognise(open_tree(tmp_path / layout), preferred=layout) == layout
    assert recognise(open_tree(tmp_path / "ferplus")) == "fer2013"  # holds both: the name decides
    assert recognise(open_tree(tmp_path / "expw"), preferred="ferplus") == "expw"
    for layout in (
        "affectnet",
        "affectnet_npy",
        "affectnet_yolo",
    ):  # the last has folders named after splits, as folder7
        assert recognise(open_tree(tmp_path / layout)) == layout


def test_every_layout_says_what_it_looks_like(tmp_path):
    with pytest.raises(DataError) as caught:
        recognise(open_tree(tmp_path))
    assert all(f"{layout}: " in str(caught.value) for layout in LAYOUTS)


def test_unknown_folder_and_layout_say_what_is_known(tmp_path):
    with pytest.raises(
        DataError,
        match=r"(?s)list_patition_label.*Manually_Annotated_file_lists.*_exp\.npy.*data\.yaml",
    ):
        recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match="rafdb_basic"):
        reader_for("imagenet")


def test_raf_lists_of_one_name_are_told_apart_by_their_ids(tmp_path):
    basic = open_tree(
        rafdb(tmp_path / "basic", [f"train_0000{number}.jpg {number}" for number in range(1, 8)])
    )
    compound = open_tree(rafdb(tmp_path / "compound", ["train_0001.jpg 1", "train_0002.jpg 8"]))
    assert [recognise(tree) for tree in (basic, compound)] == ["rafdb_basic", "rafdb_compound"]
    assert [recognise(tree, "expw") for tree in (basic, compound)] == [
        "rafdb_basic",
        "rafdb_compound",
    ]


def test_raf_set_that_was_asked_for_is_read_as_such_and_its_reader_refuses_the_other(tmp_path):
    either = open_tree(rafdb(tmp_path / "either", ["train_0001.jpg 1", "train_0002.jpg 4"]))
    assert [recognise(either, preferred) for preferred in (None, "rafdb_compound")] == [
        "rafdb_basic",
        "rafdb_compound",
    ]
    compound = open_tree(rafdb(tmp_path / "compound", ["train_0001.jpg 1", "train_0002.jpg 8"]))
    assert recognise(compound, "rafdb_basic") == "rafdb_basic"
    with pytest.raises(DataError, match=r"(?s)line 2.*fer data add rafdb_compound"):
        reader_for("rafdb_basic").announce(compound, clean_options())
