"""`fer data add`: what is read, how it is reached, and what is refused."""

import json

import pytest

from fer_core.base.errors import DataError, FerError
from fer_core.base.params import read_params
from fer_core.dataset.store.store import FaceStore
from fer_core.pipeline.schema.comments import with_absent
from fer_core.sources.catalogue.descriptor import read_descriptor
from fer_core.sources.catalogue.official_counts import OFFICIAL, OfficialCounts
from tests.fer_cli.adding import faces, fer, texts
from tests.sources.trees import (
    encoded,
    fer2013_csv,
    fer2013_rows,
    ferplus_csv,
    picture,
    put,
    rafdb,
    zipped,
)

LABELS = [(0, "Training"), (3, "Training"), (3, "PublicTest")]


def test_folder_outside_the_raw_folder_is_linked_and_counted(data_project, tmp_path):
    fer2013_csv(tmp_path / "downloads/fer2013.csv", fer2013_rows(LABELS))
    output = fer("add", "fer2013", tmp_path / "downloads")
    assert [
        line.split() for line in output.splitlines() if line.startswith(("Happy", "total"))
    ] == [
        ["Happy", "1", "1"],
        ["total", "2", "1"],
    ]
    assert (data_project / "raw/fer2013").is_symlink()
    text = (data_project / "data/sources/fer2013.json").read_text()
    assert (
        json.loads(text)["root"] == "fer2013"
        and json.loads(text)["present"] is True
        and json.loads(text)["licence"] == "research"
    )
    assert str(tmp_path) not in text
    assert faces(data_project, "fer2013") == 3


def test_folder_inside_the_raw_folder_needs_no_link(data_project):
    rafdb(data_project / "raw/sets/RAF", ["train_00001.jpg 1"])
    fer("add", "rafdb_basic", "raw/sets/RAF")
    assert read_descriptor(data_project / "data/sources/rafdb_basic.json").root == "sets/RAF"
    assert [path.name for path in (data_project / "raw").iterdir()] == ["sets"]


def test_single_file_stands_for_its_folder(data_project, tmp_path):
    table = fer2013_csv(tmp_path / "downloads/fer2013.csv", fer2013_rows(LABELS))
    fer("add", "fer2013", table)
    assert faces(data_project, "fer2013") == 3


def test_name_decides_between_layouts_that_both_fit(data_project, tmp_path):
    fer2013_csv(tmp_path / "both/fer2013.csv", fer2013_rows(LABELS[:1]))
    ferplus_csv(tmp_path / "both/fer2013new.csv", ["Training,a.png,0,10,0,0,0,0,0,0,0,0"])
    fer("add", "ferplus", tmp_path / "both")
    fer("add", "fer2013", tmp_path / "both")
    assert [
        read_descriptor(data_project / f"data/sources/{name}.json").layout
        for name in ("ferplus", "fer2013")
    ] == ["ferplus", "fer2013"]


def test_custom_takes_any_number_of_folders(data_project, tmp_path):
    put(tmp_path / "mine/happy/a.png")
    put(tmp_path / "theirs/test/sad/a.png")
    too = "custom has these folders, too"
    assert too not in fer("add", "custom", tmp_path / "mine")
    assert faces(data_project, "custom") == 1
    assert f"{too}: {tmp_path / 'mine'}\n" in fer("add", "custom", tmp_path / "theirs")
    assert f"{too}: {tmp_path / 'mine'}\n" in fer("add", "custom", tmp_path / "theirs")
    assert faces(data_project, "custom") == 2
    fer("remove", "custom", "--force")
    assert faces(data_project, "custom") == 0
    assert (tmp_path / "mine/happy/a.png").exists()


def test_custom_folder_named_like_a_split_is_refused(data_project, tmp_path):
    put(tmp_path / "train/happy/a.png")
    with pytest.raises(DataError, match="taken for a split"):
        fer("add", "custom", tmp_path / "train")


def test_faulty_label_list_changes_nothing(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg five"])
    before = (data_project / "data/sources/rafdb_basic.json").read_text()
    with pytest.raises(DataError, match="line 1"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert (data_project / "data/sources/rafdb_basic.json").read_text() == before
    assert not (data_project / "raw").exists()


@pytest.mark.parametrize("name", ["sample_rafdb", "My-Faces", "../evil", ""])
def test_samples_and_what_is_no_name_cannot_be_added(data_project, tmp_path, name):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    before = texts(data_project)
    with pytest.raises(DataError, match="fer2013"):
        fer("add", name, tmp_path / "raf")
    assert texts(data_project) == before


def test_any_number_of_own_data_sets_get_descriptors_of_their_own(data_project, tmp_path):
    put(tmp_path / "one/happy/a.png")
    rafdb(tmp_path / "two", ["train_00001.jpg 1", "train_00002.jpg 1"])
    output = fer("add", "my_faces", tmp_path / "one", "--licence", "CC0")
    fer("add", "raf_again", tmp_path / "two")
    mine, again = (
        read_descriptor(data_project / f"data/sources/{name}.json")
        for name in ("my_faces", "raf_again")
    )
    assert (mine.layout, mine.licence, mine.root, mine.present) == (
        "folder7",
        "CC0",
        "my_faces",
        True,
    )
    assert again.layout == "rafdb_basic" and "terms" in again.licence
    assert "state its terms" not in output
    assert [faces(data_project, name) for name in ("my_faces", "raf_again")] == [1, 2]


def test_new_name_of_an_unknown_layout_leaves_no_descriptor(data_project, tmp_path):
    put(tmp_path / "odd/1/a.png")
    (tmp_path / "odd/list.csv").write_text("a.png,1")
    before = texts(data_project)
    with pytest.raises(DataError, match="no layout"):
        fer("add", "my_faces", tmp_path / "odd")
    with pytest.raises(DataError, match="No class folders"):
        fer("add", "my_faces", tmp_path / "odd", "--layout", "folder7")
    with pytest.raises(DataError, match="Unknown layout"):
        fer("add", "my_faces", tmp_path / "odd", "--layout", "imagenet")
    assert texts(data_project) == before


def test_outside_the_project_nothing_is_written(data_project, tmp_path, monkeypatch):
    put(tmp_path / "one/happy/a.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(FerError, match="project's root"):
        fer("add", "my_faces", tmp_path / "one")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_missing_path_and_unknown_layout_are_refused(data_project, tmp_path):
    with pytest.raises(DataError, match="nothing at this path"):
        fer("add", "expw", tmp_path / "nowhere")
    with pytest.raises(DataError, match="no layout"):
        fer("add", "expw", tmp_path)


def test_real_folder_in_the_way_is_never_replaced(data_project, tmp_path):
    put(data_project / "raw/expw/keep.png")
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    (data_project / "raw/rafdb_basic").mkdir()
    with pytest.raises(DataError, match="something else"):
        fer("add", "rafdb_basic", tmp_path / "raf")


def test_adding_again_moves_the_link(data_project, tmp_path):
    for name, count in {"old": 1, "new": 3}.items():
        fer2013_csv(tmp_path / name / "fer2013.csv", fer2013_rows(LABELS[:count]))
        fer("add", "fer2013", tmp_path / name)
        assert faces(data_project, "fer2013") == count
    assert (data_project / "raw/fer2013").samefile(tmp_path / "new")


def test_add_says_whether_the_manifest_lists_the_set_and_what_to_do_next(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    output = fer("add", "rafdb_basic", tmp_path / "raf")
    assert "does not list rafdb_basic" in output
    steps = [
        line.split(". ", 1)[1]
        for line in output.splitlines()
        if line.startswith("  ") and ". " in line
    ]
    assert "manifest.sources" in steps[0] and steps[1:] == ["`fer dag sync`", "`fer run`"]
    with (data_project / "params.yaml").open("a") as stream:
        stream.write("manifest:\n  sources: [rafdb_basic]\n")
    assert "lists rafdb_basic already" in fer("add", "rafdb_basic", tmp_path / "raf")


def test_add_says_what_is_missing_and_odd(data_project, tmp_path):
    put(tmp_path / "mine/train/happy/a.png")
    put(tmp_path / "mine/train/contempt/b.png")
    (tmp_path / "mine/train/happy/c.heic").write_bytes(b"x")
    zipped(tmp_path / "mine/train.zip", {"happy/a.png": b"x"})
    output = fer("add", "mine", tmp_path / "mine")
    for words in (
        "no test split",
        "no faces of Angry, Disgust, Fear, Sad, Surprise, Neutral",
        "left out: (HEIC, AVIF or JPEG XL) 1, contempt 1",
        "train.zip lies beside",
    ):
        assert words in output, words
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    put(tmp_path / "raf/Extra/a.png")
    assert "not read: Extra" in fer("add", "rafdb_basic", tmp_path / "raf")


def test_custom_refuses_what_it_could_not_read_or_tell_apart(data_project, tmp_path):
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
    assert [path.name for path in (data_project / "raw/custom").iterdir()] == ["one"]


def test_missing_pictures_show_when_the_set_is_added(data_project, tmp_path):
    rafdb(tmp_path / "raf", ["train_00001.jpg 1", "test_0001.jpg 2"])
    (tmp_path / "raf/Image/aligned/aligned/test_0001_aligned.jpg").unlink()
    before = texts(data_project)
    with pytest.raises(DataError, match="1 of 2 listed images are missing"):
        fer("add", "rafdb_basic", tmp_path / "raf")
    assert texts(data_project) == before and not (data_project / "raw").exists()


def test_failure_after_linking_puts_the_old_link_back(data_project, tmp_path):
    put(tmp_path / "old/happy/a.png")
    put(tmp_path / "new/happy/a.png")
    fer("add", "mine", tmp_path / "old")
    (tmp_path / "secret").mkdir()
    put(tmp_path / "secret/b.png")
    (tmp_path / "new/happy/b.png").symlink_to(
        tmp_path / "secret/b.png"
    )  # refused when names and sizes are scanned
    before = texts(data_project)
    with pytest.raises(DataError, match="out of the data set"):
        fer("add", "mine", tmp_path / "new")
    assert texts(data_project) == before and (data_project / "raw/mine").samefile(tmp_path / "old")


def test_unknown_layout_says_how_to_go_on(data_project, tmp_path):
    with pytest.raises(
        DataError, match=r"(?s)Unknown layout.*imagenet.*fer2013, ferplus.*leave --layout out"
    ):
        fer("add", "mine", tmp_path, "--layout", "imagenet")


def test_the_given_table_of_two_is_linked_read_and_cleaned(data_project, tmp_path):
    fer2013_csv(tmp_path / "down/fer2013.csv", fer2013_rows(LABELS[:1]))
    kaggle = fer2013_csv(tmp_path / "down/icml_face_data.csv", fer2013_rows(LABELS))
    fer("add", "icml", kaggle)
    descriptor = read_descriptor(data_project / "data/sources/icml.json")
    assert descriptor.root == "icml/icml_face_data.csv" and descriptor.tree.files == 1
    assert (data_project / "raw/icml").samefile(tmp_path / "down")
    assert faces(data_project, "icml") == 3
    assert "unchanged" in fer("refresh", "icml")
    fer("add", "fer2013", tmp_path / "down/fer2013.csv")
    assert faces(data_project, "fer2013") == 1


def groups(data_project, name):
    assert faces(data_project, name)
    table = FaceStore.open(data_project / f"data/clean/{name}.arrow").table_without_images()
    return dict(zip(table["sample_id"], table["group"], strict=True))


def test_persons_come_from_a_pattern_and_their_absence_is_said(data_project, tmp_path):
    for seed, file in enumerate(("happy/Ann_1.png", "sad/Ann_2.png", "sad/other.png")):
        put(tmp_path / "posed" / file, seed)
    output = fer("add", "posed", tmp_path / "posed")
    assert "nobody says who is on each picture" in output and "subjects.csv" in output
    output = fer("add", "posed", tmp_path / "posed", "--group-pattern", r"(\w+)_\d")
    assert "finds 1 persons in 2 pictures; in 1 it finds none" in output
    assert "nobody says" not in output
    assert groups(data_project, "posed") == {
        "posed/happy/Ann_1.png": "posed/person/Ann",
        "posed/sad/Ann_2.png": "posed/person/Ann",
        "posed/sad/other.png": "posed/sad/other.png",
    }
    assert "finds 1 persons" in fer("refresh", "posed")
    with pytest.raises(DataError, match=r"(?s)finds no persons.*--group-pattern.*unterminated"):
        fer("add", "posed", tmp_path / "posed", "--group-pattern", "(")
    fer("add", "posed", tmp_path / "posed", "--group-pattern", "")
    assert len(set(groups(data_project, "posed").values())) == 3


def test_corrected_labels_are_taken_with_force_and_another_order_is_not(
    data_project, tmp_path, monkeypatch
):
    part = OfficialCounts("Tiny Training", "train", 3, {"Angry": 2, "Happy": 1})
    monkeypatch.setitem(OFFICIAL, "fer2013", (part,))
    rows = fer2013_rows([(0, "Training"), (3, "Training"), (4, "Training")])
    fer2013_csv(tmp_path / "fer2013.csv", rows)
    with pytest.raises(DataError, match=r"(?s)label order cannot be right.*--force.*corrected"):
        fer("add", "fer2013", tmp_path)
    output = fer("add", "fer2013", tmp_path, "--force")
    assert "taken as corrected" in output
    assert faces(data_project, "fer2013") == 3
    assert "unchanged" in fer("refresh", "fer2013")
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows([(0, "Training"), *[(3, "Training")] * 2]))
    with pytest.raises(DataError, match="permutation"):
        fer("add", "fer2013", tmp_path, "--force")


@pytest.mark.parametrize("path", ["x" * 300, "/".join("x" * 5000), "~nobody_of_this_name/x"])
def test_paths_that_no_system_takes_are_refused(data_project, path):
    with pytest.raises(DataError, match=r"no path|nothing at this path"):
        fer("add", "mine", path)
    with pytest.raises(DataError, match="no name for a data set"):
        fer("add", "x" * 300, "here")


def test_classes_that_nobody_has_are_declared_absent_only_if_that_is_meant(data_project, tmp_path):
    for number, name in enumerate(["happy", "sad", "angry", "fear", "surprise", "disgust"]):
        put(tmp_path / f"set/{name}/a.png", number)
    before = (data_project / "params.yaml").read_text()
    assert "`labels: {absent: [Neutral]}`" in fer("add", "mine", tmp_path / "set")
    assert (data_project / "params.yaml").read_text() == before
    assert "never answered" in fer("add", "mine", tmp_path / "set", "--absent")
    text = (data_project / "params.yaml").read_text()
    assert text.startswith(before) and read_params()["labels"] == {"absent": ["Neutral"]}
    fer("add", "mine", tmp_path / "set", "--absent")
    assert (data_project / "params.yaml").read_text() == text
    assert with_absent(text, ()) == before


def test_a_misspelt_class_is_not_declared_absent(data_project, tmp_path):
    for number, name in enumerate(["happie", "sad", "angry", "contempt"]):
        for n in range(3):
            put(tmp_path / f"set/{name}/{n}.png", 10 * number + n)
    before = (data_project / "params.yaml").read_text()
    with pytest.raises(DataError, match=r"(?s)found: happie.*expected: Happy.*rename"):
        fer("add", "mine", tmp_path / "set", "--absent")
    assert (data_project / "params.yaml").read_text() == before
    (tmp_path / "set/happie").rename(tmp_path / "set/happy")
    fer("add", "mine", tmp_path / "set", "--absent")
    assert read_params()["labels"]["absent"] == ["Disgust", "Fear", "Surprise", "Neutral"]


def test_one_photo_a_class_is_told_to_be_few(data_project, tmp_path):
    for number, name in enumerate(("happy", "sad")):
        put(tmp_path / f"set/{name}/a.png", number)
    text = fer("add", "mine", tmp_path / "set")
    assert "few faces of Happy (1), Sad (1)" in text and "validate.min_per_class" in text


def test_one_class_alone_is_told(data_project, tmp_path):
    for number in range(9):
        put(tmp_path / f"set/happy/{number}.png", number)
    text = fer("add", "mine", tmp_path / "set")
    assert "all faces are Happy: a network needs two classes" in text and "few faces" not in text


def test_a_folder_where_every_photo_is_the_same_is_told(data_project, tmp_path):
    for name in ("happy/a", "happy/b", "sad/c"):
        put(tmp_path / f"set/{name}.png", 5)
    text = fer("add", "mine", tmp_path / "set")
    assert "all 3 pictures that were looked at are the same one" in text


def test_labels_of_six_other_languages_are_read_and_of_others_told(data_project, tmp_path):
    for number, name in enumerate(["Wütend", "dégoût", "miedo", "gioia", "tristeza", "verrast"]):
        put(tmp_path / f"set/{name}/a.png", number)
    fer("add", "mine", tmp_path / "set")
    assert faces(data_project, "mine") == 6
    put(tmp_path / "other/радость/a.png", 1)
    put(tmp_path / "other/sad/a.png", 2)
    assert "радость 1" in fer("add", "other", tmp_path / "other")
    (tmp_path / "other/sad/a.png").unlink()
    (tmp_path / "other/sad").rmdir()
    put(tmp_path / "other/грусть/a.png", 3)
    with pytest.raises(DataError, match=r"радость[\s\S]*name the folders"):
        fer("add", "third", tmp_path / "other", "--layout", "folder7")
    text = fer("add", "third", tmp_path / "other")
    assert "грусть, радость are named after expressions" in text and "English, German" in text
