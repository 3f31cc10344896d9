import pytest

from fer_core.errors import DataError
from fer_core.sources.registry import READERS, reader_for, recognise
from fer_core.sources.tree import open_tree
from tests.sources.trees import expw, fer2013_csv, fer2013_rows, ferplus_csv, put, rafdb


def test_each_layout_is_recognised_by_its_own_tree(tmp_path):
    fer2013_csv(tmp_path / "fer2013/fer2013.csv", fer2013_rows([(0, "Training")]))
    fer2013_csv(tmp_path / "ferplus/fer2013.csv", fer2013_rows([(0, "Training")]))
    ferplus_csv(tmp_path / "ferplus/fer2013new.csv", [])
    rafdb(tmp_path / "rafdb_basic", ["train_00001.jpg 1"])
    expw(tmp_path / "expw", ["a.jpg 0 1 1 9 9 50 0"])
    put(tmp_path / "folder7/train/happy/a.png")
    for layout in READERS:
        assert recognise(open_tree(tmp_path / layout), preferred=layout) == layout
    assert recognise(open_tree(tmp_path / "ferplus")) == "fer2013"  # holds both: the name decides
    assert recognise(open_tree(tmp_path / "expw"), preferred="ferplus") == "expw"


def test_unknown_folder_and_layout_say_what_is_known(tmp_path):
    with pytest.raises(DataError, match="list_patition_label"):
        recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match="rafdb_basic"):
        reader_for("imagenet")
