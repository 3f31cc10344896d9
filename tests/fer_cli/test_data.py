import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fer_cli.data import app
from fer_core.data.cleaning import clean
from fer_core.data.store import FaceStore
from fer_core.errors import DataError
from fer_core.sources.descriptor import Descriptor, read_descriptor, write_descriptor
from tests.sources.trees import clean_options, encoded, fer2013_csv, fer2013_rows, ferplus_csv, picture, put, rafdb, zipped

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


def texts(project: Path) -> dict[str, str]:
    """All descriptors."""
    return {file.stem: file.read_text() for file in (project / "data/sources").glob("*.json")}


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
    fer("remove", "custom", "--force")
    assert faces(project, "custom") == 0
    assert (tmp_path / "mine/happy/a.png").exists()


def test_custom_folder_named_like_a_split_is_refused(project, tmp_path):
    put(tmp_path / "train/happy/a.png")
    with pytest.raises(DataError, match="taken for a split"):
        fer("add", "custom", tmp_path / "train")


def test_faulty_label_list_changes_nothing(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg five"])
    before = (project / "data/sources/rafdb_basic.json").read_text()
    with pytest.raises(DataError, match="line 1"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert (project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (project / "raw").exists()


@pytest.mark.parametrize("name", ["sample_rafdb", "My-Faces", "../evil", ""])
def test_samples_and_what_is_no_name_cannot_be_added(project, tmp_path, name):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    before = texts(project)
    with pytest.raises(DataError, match="fer2013"):
        fer("add", name, tmp_path / "raf")
    assert texts(project) == before


def test_any_number_of_own_data_sets_get_descriptors_of_their_own(project, tmp_path):
    put(tmp_path / "one/happy/a.png")
    rafdb(tmp_path / "two", ["train_00001.jpg 1", "train_00002.jpg 1"])
    output = fer("add", "my_faces", tmp_path / "one", "--licence", "CC0")
    fer("add", "raf_again", tmp_path / "two")
    mine, again = (read_descriptor(project / f"data/sources/{name}.json") for name in ("my_faces", "raf_again"))
    assert (mine.layout, mine.licence, mine.root, mine.present) == ("folder7", "CC0", "my_faces", True)
    assert again.layout == "rafdb_basic" and "terms" in again.licence
    assert "state its terms" not in output
    assert [faces(project, name) for name in ("my_faces", "raf_again")] == [1, 2]


def test_new_name_of_an_unknown_layout_leaves_no_descriptor(project, tmp_path):
    put(tmp_path / "odd/1/a.png")
    (tmp_path / "odd/list.csv").write_text("a.png,1")
    before = texts(project)
    with pytest.raises(DataError, match="no layout"):
        fer("add", "my_faces", tmp_path / "odd")
    with pytest.raises(DataError, match="No class folders"):
        fer("add", "my_faces", tmp_path / "odd", "--layout", "folder7")
    with pytest.raises(DataError, match="Unknown layout"):
        fer("add", "my_faces", tmp_path / "odd", "--layout", "imagenet")
    assert texts(project) == before


def test_outside_the_project_nothing_is_written(project, tmp_path, monkeypatch):
    put(tmp_path / "one/happy/a.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="project's root"):
        fer("add", "my_faces", tmp_path / "one")
    assert not list((tmp_path / "elsewhere").iterdir())


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
    assert (project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (project / "raw/rafdb_basic").is_symlink()
    assert (tmp_path / "raf/EmoLabel").exists()
    assert "was absent already" in fer("remove", "rafdb_basic")


def test_list_shows_cleaned_faces_and_what_the_manifest_lists(project, tmp_path):
    with (project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic, gone]\n")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "train_00002.jpg 4"])
    fer("add", "rafdb_basic", tmp_path / "raf")

    def line(name: str) -> list[str]:
        return next(line for line in fer("list").splitlines() if line.startswith(f"{name} ")).split()

    assert line("rafdb_basic")[2:5] == ["present", "-", "yes"]
    assert line("expw")[2:5] == ["absent", "-", "no"]
    assert line("gone")[1:3] == ["listed", "in"]
    faces(project, "rafdb_basic")
    assert line("rafdb_basic")[2:5] == ["present", "2", "yes"]
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("refresh", "rafdb_basic")
    assert "earlier descriptor" in " ".join(line("rafdb_basic"))
    (project / "data/clean/rafdb_basic.arrow").write_bytes(b"broken")
    assert line("rafdb_basic")[3] == "?" and "damaged" in fer("list")


def test_add_says_whether_the_manifest_lists_the_set_and_what_to_do_next(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    output = fer("add", "rafdb_basic", tmp_path / "raf")
    assert "does not list rafdb_basic" in output
    steps = [line.split(". ", 1)[1] for line in output.splitlines() if line.startswith("  ") and ". " in line]
    assert "manifest.sources" in steps[0] and steps[1:] == ["`fer dag sync`", "`fer run`"]
    with (project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic]\n")
    assert "lists rafdb_basic already" in fer("add", "rafdb_basic", tmp_path / "raf")


def test_add_says_what_is_missing_and_odd(project, tmp_path):
    put(tmp_path / "mine/train/happy/a.png")
    put(tmp_path / "mine/train/contempt/b.png")
    zipped(tmp_path / "mine/train.zip", {"happy/a.png": b"x"})
    output = fer("add", "mine", tmp_path / "mine")
    for words in (
        "no test split",
        "no faces of Angry, Disgust, Fear, Sad, Surprise, Neutral",
        "left out: contempt 1",
        "train.zip lies beside",
    ):
        assert words in output, words
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    put(tmp_path / "raf/Extra/a.png")
    assert "not read: Extra" in fer("add", "rafdb_basic", tmp_path / "raf")


def test_present_set_turns_into_another_layout_only_by_force(project, tmp_path):
    fer2013_csv(tmp_path / "csv/fer2013.csv", fer2013_rows(LABELS))
    put(tmp_path / "folders/train/happy/a.png")
    fer("add", "fer2013", tmp_path / "csv")
    before = texts(project)
    with pytest.raises(DataError, match=r"(?s)another layout.*folder7.*--layout fer2013.*--force"):
        fer("add", "fer2013", tmp_path / "folders")
    assert texts(project) == before and (project / "raw/fer2013").samefile(tmp_path / "csv")
    fer("add", "fer2013", tmp_path / "folders", "--force")
    assert read_descriptor(project / "data/sources/fer2013.json").layout == "folder7"
    assert faces(project, "fer2013") == 1


def test_known_name_takes_another_layout_only_when_it_is_said(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 9"])
    before = texts(project)
    with pytest.raises(DataError, match=r"(?s)this name has another layout.*rafdb_compound.*rafdb_basic.*--layout rafdb_compound"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert texts(project) == before
    assert "was rafdb_basic before" in fer("add", "rafdb_basic", tmp_path / "raf", "--layout", "rafdb_compound")
    assert read_descriptor(project / "data/sources/rafdb_basic.json").layout == "rafdb_compound"


def test_tree_without_a_face_is_added_only_by_force(project, tmp_path):
    put(tmp_path / "kaggle/train/contempt/a.png")
    put(tmp_path / "kaggle/test/none/b.png")
    before = texts(project)
    with pytest.raises(DataError, match=r"(?s)no face here.*none \(left out\).*--force"):
        fer("add", "mine", tmp_path / "kaggle")
    assert texts(project) == before
    fer("add", "mine", tmp_path / "kaggle", "--force")
    assert faces(project, "mine") == 0


def test_present_set_is_removed_only_by_force_and_what_is_lost_is_said(project, tmp_path):
    with (project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic]\n")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", tmp_path / "raf")
    faces(project, "rafdb_basic")
    before = texts(project)
    lost = r"(?s)absent.*layout rafdb_basic.*2 files.*link.*raw/rafdb_basic.*rafdb_basic\.arrow.*manifest\.sources lists it.*--force"
    with pytest.raises(DataError, match=lost):
        fer("remove", "rafdb_basic")
    assert texts(project) == before and (project / "raw/rafdb_basic").is_symlink()
    assert "take it off" in fer("remove", "rafdb_basic", "--force")


def test_refresh_refuses_a_vanished_folder_and_one_without_faces_and_goes_on_with_the_others(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    put(tmp_path / "mine/happy/a.png")
    fer("add", "rafdb_basic", tmp_path / "raf")
    fer("add", "mine", tmp_path / "mine")
    before = texts(project)
    (tmp_path / "raf").rename(tmp_path / "away")
    put(tmp_path / "mine/happy/b.png")
    with pytest.raises(DataError, match="not on this machine"):
        fer("refresh", "rafdb_basic")
    with pytest.raises(DataError, match=r"(?s)could not be refreshed.*found: rafdb_basic$"):
        fer("refresh")
    after = texts(project)
    assert after["rafdb_basic"] == before["rafdb_basic"] and after["mine"] != before["mine"]
    (tmp_path / "mine/happy").rename(tmp_path / "mine/contempt")
    put(tmp_path / "mine/train/contempt/a.png")
    with pytest.raises(DataError, match="no face here"):
        fer("refresh", "mine")
    assert texts(project) == after


def test_archive_outside_the_raw_folder_is_linked_with_its_suffix_and_read_in_place(project, tmp_path):
    rafdb(tmp_path / "unpacked", ["train_00001.jpg 1", "test_0001.jpg 2"])
    files = {
        f"basic/{path.relative_to(tmp_path / 'unpacked').as_posix()}": path.read_bytes() for path in (tmp_path / "unpacked").rglob("*.*")
    }
    archive = zipped(tmp_path / "downloads/RAF.ZIP", files)
    fer("add", "rafdb_basic", archive)
    assert (project / "raw/rafdb_basic.zip").readlink() == archive
    assert read_descriptor(project / "data/sources/rafdb_basic.json").root == "rafdb_basic.zip"
    assert faces(project, "rafdb_basic") == 2
    deep = zipped(tmp_path / "downloads/raf.zip", {f"outer/{name}": data for name, data in files.items()})
    output = fer("add", "rafdb_basic", deep)
    assert f"found in {deep}/outer" in output
    assert read_descriptor(project / "data/sources/rafdb_basic.json").root == "rafdb_basic.zip/outer"
    assert faces(project, "rafdb_basic") == 2
    fer("add", "rafdb_basic", tmp_path / "unpacked")
    assert sorted(path.name for path in (project / "raw").iterdir()) == ["rafdb_basic"]
    fer("add", "rafdb_basic", deep)
    fer("remove", "rafdb_basic", "--force")
    assert not list((project / "raw").iterdir()) and deep.exists()


def test_archive_inside_the_raw_folder_needs_no_link(project):
    zipped(project / "raw/sets/mine.zip", {"faces/happy/a.png": encoded(picture(1)), "faces/sad/b.png": encoded(picture(2))})
    fer("add", "mine", "raw/sets")
    assert read_descriptor(project / "data/sources/mine.json").root == "sets/mine.zip"
    fer("add", "mine", "raw/sets/mine.zip/faces")
    assert read_descriptor(project / "data/sources/mine.json").root == "sets/mine.zip/faces"
    assert faces(project, "mine") == 2
    assert [path.name for path in (project / "raw").iterdir()] == ["sets"]


def test_custom_takes_an_archive_and_the_folder_that_really_holds_the_classes(project, tmp_path):
    zipped(tmp_path / "packed.zip", {"happy/a.png": encoded(picture(1))})
    put(tmp_path / "deep/folder/inner/sad/b.png", 2)
    fer("add", "custom", tmp_path / "packed.zip")
    output = fer("add", "custom", tmp_path / "deep")
    assert sorted(path.name for path in (project / "raw/custom").iterdir()) == ["inner", "packed.zip"]
    assert [line.split()[1] for line in output.splitlines() if line.startswith(("Happy", "Sad"))] == ["1", "1"]  # of both folders
    assert faces(project, "custom") == 2


def test_custom_refuses_what_it_could_not_read_or_tell_apart(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    with pytest.raises(DataError, match=r"(?s)class folders.*rafdb_basic.*fer data add NAME PATH"):
        fer("add", "custom", tmp_path / "raf")
    put(tmp_path / "both/one/happy/a.png")
    put(tmp_path / "both/two/happy/a.png")
    with pytest.raises(DataError, match=r"(?s)No folder here.*one, two"):
        fer("add", "custom", tmp_path / "both")
    archive = zipped(tmp_path / "wrapped.zip", {"inner/happy/a.png": encoded(picture(1))})
    with pytest.raises(DataError, match="top folder"):
        fer("add", "custom", archive)
    fer("add", "custom", tmp_path / "both/one")
    with pytest.raises(DataError, match="of this name already"):
        fer("add", "custom", zipped(tmp_path / "one.zip", {"happy/a.png": encoded(picture(1))}))
    assert [path.name for path in (project / "raw/custom").iterdir()] == ["one"]


def test_missing_pictures_show_when_the_set_is_added(project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "test_0001.jpg 2"])
    (tmp_path / "raf/Image/aligned/aligned/test_0001_aligned.jpg").unlink()
    before = texts(project)
    with pytest.raises(DataError, match="1 of 2 listed images are missing"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert texts(project) == before and not (project / "raw").exists()


def test_expw_whose_photos_are_still_packed_is_refused_with_the_steps_to_unpack_it(project, tmp_path):
    (tmp_path / "data/image").mkdir(parents=True)
    (tmp_path / "data/label").mkdir()
    (tmp_path / "data/label/label.lst").write_text("a.jpg 0 10 10 40 40 99.5 0\n")
    for name in ("origin.7z.001.001", "origin.7z.002", "origin.7z.004"):
        (tmp_path / "data/image" / name).write_bytes(b"7z")
    words = r"(?s)still packed.*missing volumes 003; rename origin\.7z\.001\.001 to origin\.7z\.001; .*7z x origin\.7z\.001` in .*image"
    with pytest.raises(DataError, match=words):
        fer("add", "expw", tmp_path / "data")
    put(tmp_path / "data/image/origin/a.jpg", height=60, width=80)
    assert "for they are packed: image/origin.7z.001.001" in fer("add", "expw", tmp_path / "data")


def test_failure_after_linking_puts_the_old_link_back(project, tmp_path):
    put(tmp_path / "old/happy/a.png")
    put(tmp_path / "new/happy/a.png")
    fer("add", "mine", tmp_path / "old")
    (tmp_path / "secret").mkdir()
    put(tmp_path / "secret/b.png")
    (tmp_path / "new/happy/b.png").symlink_to(tmp_path / "secret/b.png")  # refused when names and sizes are scanned
    before = texts(project)
    with pytest.raises(DataError, match="out of the data set"):
        fer("add", "mine", tmp_path / "new")
    assert texts(project) == before and (project / "raw/mine").samefile(tmp_path / "old")
