import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_cli.data import app
from fer_core.data.cleaning import clean
from fer_core.data.store import FaceStore
from fer_core.errors import DataError
from fer_core.sources.descriptor import Descriptor, read_descriptor, write_descriptor
from tests.sources.trees import clean_options, fer2013_csv, fer2013_rows, ferplus_csv, put, rafdb

LABELS = [(0, "Training"), (3, "Training"), (3, "PublicTest")]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    for name in ("FER_RAW", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (root / "params.yaml").write_text("clean:\n" + "".join(f"  {k}: {v}\n" for k, v in clean_options().model_dump().items()))
    for name in ("fer2013", "ferplus", "rafdb_basic", "expw"):
        write_descriptor(root / "data/sources", Descriptor(name, name, False, "research"))
    write_descriptor(root / "data/sources", Descriptor("custom", "folder7", False, "own"))
    write_descriptor(root / "data/sources", Descriptor("sample_rafdb", "rafdb_basic", True, sample={"seed": 1}))
    return root


def fer(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def faces(project: Path, name: str) -> int:
    store = project / "data/clean" / f"{name}.arrow"
    clean(project / f"data/sources/{name}.json", store, clean_options(), project / "raw")
    return len(FaceStore.open(store))


def test_folder_outside_the_raw_folder_is_linked_and_counted(project, tmp_path):
    fer2013_csv(tmp_path / "downloads/fer2013.csv", fer2013_rows(LABELS))
    output = fer("add", "fer2013", tmp_path / "downloads")
    assert [line.split() for line in output.splitlines() if line.startswith(("Happy", "total"))] == [
        ["Happy", "1", "1"],
        ["total", "2", "1"],
    ]
    assert (project / "raw/fer2013").is_symlink()
    text = (project / "data/sources/fer2013.json").read_text()
    assert json.loads(text)["root"] == "fer2013" and json.loads(text)["present"] is True and json.loads(text)["licence"] == "research"
    assert str(tmp_path) not in text
    assert faces(project, "fer2013") == 3


def test_folder_inside_the_raw_folder_needs_no_link(project):
    rafdb(project / "raw/sets/RAF", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", "raw/sets/RAF")
    assert read_descriptor(project / "data/sources/rafdb_basic.json").root == "sets/RAF"
    assert [path.name for path in (project / "raw").iterdir()] == ["sets"]


def test_single_file_stands_for_its_folder(project, tmp_path):
    table = fer2013_csv(tmp_path / "downloads/fer2013.csv", fer2013_rows(LABELS))
    fer("add", "fer2013", table)
    assert faces(project, "fer2013") == 3


def test_name_decides_between_layouts_that_both_fit(project, tmp_path):
    fer2013_csv(tmp_path / "both/fer2013.csv", fer2013_rows(LABELS[:1]))
    ferplus_csv(tmp_path / "both/fer2013new.csv", ["Training,a.png,0,10,0,0,0,0,0,0,0,0"])
    fer("add", "ferplus", tmp_path / "both")
    fer("add", "fer2013", tmp_path / "both")
    assert [read_descriptor(project / f"data/sources/{name}.json").layout for name in ("ferplus", "fer2013")] == ["ferplus", "fer2013"]


def test_custom_takes_any_number_of_folders(project, tmp_path):
    put(tmp_path / "mine/happy/a.png")
    put(tmp_path / "theirs/test/sad/a.png")
    fer("add", "custom", tmp_path / "mine")
    assert faces(project, "custom") == 1
    fer("add", "custom", tmp_path / "theirs")
    assert faces(project, "custom") == 2
    fer("remove", "custom")
    assert faces(project, "custom") == 0
    assert (tmp_path / "mine/happy/a.png").exists()


def test_custom_folder_named_like_a_split_is_refused(project, tmp_path):
    put(tmp_path / "train/happy/a.png")
    with pytest.raises(DataError, match="taken for a split"):
        fer("add", "custom", tmp_path / "train")


def test_faulty_label_list_changes_nothing(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 9"])
    before = (project / "data/sources/rafdb_basic.json").read_text()
    with pytest.raises(DataError, match="line 1"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert (project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (project / "raw").exists()


@pytest.mark.parametrize("name", ["imagenet", "sample_rafdb"])
def test_unknown_names_and_samples_cannot_be_added(project, tmp_path, name):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    with pytest.raises(DataError, match="fer2013"):
        fer("add", name, tmp_path / "raf")


def test_missing_path_and_unknown_layout_are_refused(project, tmp_path):
    with pytest.raises(DataError, match="nothing at this path"):
        fer("add", "expw", tmp_path / "nowhere")
    with pytest.raises(DataError, match="no layout"):
        fer("add", "expw", tmp_path)


def test_real_folder_in_the_way_is_never_replaced(project, tmp_path):
    put(project / "raw/expw/keep.png")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    (project / "raw/rafdb_basic").mkdir()
    with pytest.raises(DataError, match="something else"):
        fer("add", "rafdb_basic", tmp_path / "raf")


def test_adding_again_moves_the_link(project, tmp_path):
    for name, count in {"old": 1, "new": 3}.items():
        fer2013_csv(tmp_path / name / "fer2013.csv", fer2013_rows(LABELS[:count]))
        fer("add", "fer2013", tmp_path / name)
        assert faces(project, "fer2013") == count
    assert (project / "raw/fer2013").samefile(tmp_path / "new")


def test_refresh_takes_changed_files_and_says_so(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", tmp_path / "raf")
    assert "unchanged" in fer("refresh")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "train_00002.jpg 1"])
    with pytest.raises(DataError, match="fer data refresh"):
        faces(project, "rafdb_basic")
    assert "NOT USABLE HERE" in fer("list")
    assert "unchanged" not in fer("refresh", "rafdb_basic")
    assert faces(project, "rafdb_basic") == 2


def test_list_shows_states_and_remove_goes_back_to_absent(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    before = (project / "data/sources/rafdb_basic.json").read_text()
    fer("add", "rafdb_basic", tmp_path / "raf")
    states = {line.split()[0]: line.split()[2] for line in fer("list").splitlines()[1:]}
    assert states == {
        "custom": "absent",
        "expw": "absent",
        "fer2013": "absent",
        "ferplus": "absent",
        "rafdb_basic": "present",
        "sample_rafdb": "embedded",
    }
    fer("remove", "rafdb_basic")
    assert (project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (project / "raw/rafdb_basic").is_symlink()
    assert (tmp_path / "raf/EmoLabel").exists()
