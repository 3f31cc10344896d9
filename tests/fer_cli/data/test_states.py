"""`fer data list`, `refresh` and `remove`, and what only --force turns into something else."""

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.descriptor import read_descriptor
from tests.fer_cli.adding import faces, fer, texts
from tests.sources.trees import fer2013_csv, fer2013_rows, put, rafdb

LABELS = [(0, "Training"), (3, "Training"), (3, "PublicTest")]


def test_refresh_takes_changed_files_and_says_so(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", tmp_path / "raf")
    assert "unchanged" in fer("refresh")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "train_00002.jpg 1"])
    with pytest.raises(DataError, match="fer data refresh"):
        faces(data_project, "rafdb_basic")
    assert "NOT USABLE HERE" in fer("list")
    assert "unchanged" not in fer("refresh", "rafdb_basic")
    assert faces(data_project, "rafdb_basic") == 2


def test_list_shows_states_and_remove_goes_back_to_absent(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    before = (data_project / "data/sources/rafdb_basic.json").read_text()
    fer("add", "rafdb_basic", tmp_path / "raf")
    states = {line.split()[0]: line.split()[2] for line in fer("list").splitlines()[2:]}
    assert states == {
        "custom": "absent",
        "expw": "absent",
        "fer2013": "absent",
        "ferplus": "absent",
        "rafdb_basic": "present",
        "sample_rafdb": "embedded",
    }
    fer("remove", "rafdb_basic", "--force")
    assert (data_project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (data_project / "raw/rafdb_basic").is_symlink()
    assert (tmp_path / "raf/EmoLabel").exists()
    assert "was absent already" in fer("remove", "rafdb_basic")


def test_list_shows_cleaned_faces_and_what_the_manifest_lists(data_project, tmp_path):
    with (data_project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic, gone]\n")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "train_00002.jpg 4"])
    fer("add", "rafdb_basic", tmp_path / "raf")

    def line(name: str) -> list[str]:
        return next(
            line for line in fer("list").splitlines() if line.startswith(f"{name} ")
        ).split()

    assert line("rafdb_basic")[2:5] == ["present", "-", "yes"]
    assert line("expw")[2:5] == ["absent", "-", "no"]
    assert line("gone")[1:3] == ["listed", "in"]
    faces(data_project, "rafdb_basic")
    assert line("rafdb_basic")[2:5] == ["present", "2", "yes"]
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("refresh", "rafdb_basic")
    assert "earlier descriptor" in " ".join(line("rafdb_basic"))
    (data_project / "data/clean/rafdb_basic.arrow").write_bytes(b"broken")
    assert line("rafdb_basic")[3] == "?" and "damaged" in fer("list")


def test_present_set_turns_into_another_layout_only_by_force(data_project, tmp_path):
    fer2013_csv(tmp_path / "csv/fer2013.csv", fer2013_rows(LABELS))
    put(tmp_path / "folders/train/happy/a.png")
    fer("add", "fer2013", tmp_path / "csv")
    before = texts(data_project)
    with pytest.raises(DataError, match=r"(?s)another layout.*folder7.*--layout fer2013.*--force"):
        fer("add", "fer2013", tmp_path / "folders")
    assert texts(data_project) == before and (data_project / "raw/fer2013").samefile(
        tmp_path / "csv"
    )
    fer("add", "fer2013", tmp_path / "folders", "--force")
    assert read_descriptor(data_project / "data/sources/fer2013.json").layout == "folder7"
    assert faces(data_project, "fer2013") == 1


def test_known_name_takes_another_layout_only_when_it_is_said(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 9"])
    before = texts(data_project)
    with pytest.raises(
        DataError,
        match=r"(?s)this name has another layout.*rafdb_compound.*rafdb_basic.*--layout "
        r"rafdb_compound",
    ):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert texts(data_project) == before
    assert "was rafdb_basic before" in fer(
        "add", "rafdb_basic", tmp_path / "raf", "--layout", "rafdb_compound"
    )
    assert (
        read_descriptor(data_project / "data/sources/rafdb_basic.json").layout == "rafdb_compound"
    )


def test_tree_without_a_face_is_added_only_by_force(data_project, tmp_path):
    put(tmp_path / "kaggle/train/contempt/a.png")
    put(tmp_path / "kaggle/test/none/b.png")
    before = texts(data_project)
    with pytest.raises(DataError, match=r"(?s)no face here.*none 1.*--force"):
        fer("add", "mine", tmp_path / "kaggle")
    assert texts(data_project) == before
    fer("add", "mine", tmp_path / "kaggle", "--force")
    assert faces(data_project, "mine") == 0


def test_present_set_is_removed_only_by_force_and_what_is_lost_is_said(data_project, tmp_path):
    with (data_project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic]\n")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", tmp_path / "raf")
    faces(data_project, "rafdb_basic")
    before = texts(data_project)
    lost = r"(?s)absent.*layout rafdb_basic.*2 files.*link.*raw/rafdb_basic.*rafdb_basic\.arrow.*manifest\.sources lists it.*--force"
    with pytest.raises(DataError, match=lost):
        fer("remove", "rafdb_basic")
    assert texts(data_project) == before and (data_project / "raw/rafdb_basic").is_symlink()
    assert "take it off" in fer("remove", "rafdb_basic", "--force")


def test_refresh_refuses_a_vanished_folder_and_one_without_faces_and_goes_on_with_the_others(
    data_project, tmp_path
):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    put(tmp_path / "mine/happy/a.png")
    fer("add", "rafdb_basic", tmp_path / "raf")
    fer("add", "mine", tmp_path / "mine")
    before = texts(data_project)
    (tmp_path / "raf").rename(tmp_path / "away")
    put(tmp_path / "mine/happy/b.png")
    with pytest.raises(DataError, match="not on this machine"):
        fer("refresh", "rafdb_basic")
    with pytest.raises(DataError, match=r"(?s)could not be refreshed.*found: rafdb_basic$"):
        fer("refresh")
    after = texts(data_project)
    assert after["rafdb_basic"] == before["rafdb_basic"] and after["mine"] != before["mine"]
    (tmp_path / "mine/happy").rename(tmp_path / "mine/contempt")
    put(tmp_path / "mine/train/contempt/a.png")
    with pytest.raises(DataError, match="no face here"):
        fer("refresh", "mine")
    assert texts(data_project) == after


def test_refresh_of_an_absent_set_says_what_adds_it(data_project):
    before = texts(data_project)
    with pytest.raises(DataError, match=r"(?s)absent.*expw\.json.*fer data add expw PATH"):
        fer("refresh", "expw")
    assert "Nothing to refresh" in fer("refresh")
    assert texts(data_project) == before
