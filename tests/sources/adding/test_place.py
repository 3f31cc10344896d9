"""Data sets are found where people have them, and what cannot be read is named for what it is."""

from pathlib import Path

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.adding.place import class_folders, find_place, packed, still_packed
from fer_core.sources.catalogue.registry import reader_for
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import (
    encoded,
    expw,
    fer2013_csv,
    fer2013_rows,
    ferplus_csv,
    picture,
    put,
    rafdb,
    zipped,
)

# as in RAFAU_label.txt
AU_LINES = "0001.jpg 1+2+5+25+26 \n0002.jpg null \n0003.jpg 4+L10+R12 \n0004.jpg 12 \n"


def members(root: Path, prefix: str = "") -> dict[str, bytes]:
    return {
        f"{prefix}{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("depth", range(6))
def test_sole_folders_are_looked_into_four_levels_deep(tmp_path: Path, depth: int) -> None:
    place = tmp_path.joinpath("top", *(f"level{n}" for n in range(depth)))
    rafdb(place, ["train_00001.jpg 1"])
    if depth <= 4:
        found = find_place(tmp_path / "top")
        assert (found.path, found.layout) == (place, "rafdb_basic")
    else:
        with pytest.raises(DataError, match=r"(?s)but below it.*such as .*level3/level4"):
            find_place(tmp_path / "top")


def test_archives_count_as_folders_on_the_way_and_litter_does_not_count(tmp_path: Path) -> None:
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    archive = zipped(
        tmp_path / "top/downloads/raf.zip",
        {**members(tmp_path / "raf", "x/y/"), "__MACOSX/x/._y": b"litter"},
    )
    (tmp_path / "top/downloads/.DS_Store").write_text("litter")
    found = find_place(tmp_path / "top")
    assert found.path == archive / "x/y"
    assert found.tree.is_file("EmoLabel/list_patition_label.txt")
    assert find_place(archive).path == find_place(archive / "x").path == archive / "x/y"


def test_of_several_data_sets_none_is_guessed_and_each_is_named(tmp_path: Path) -> None:
    rafdb(tmp_path / "sets/one", ["train_00001.jpg 1"])
    expw(tmp_path / "sets/two", ["a.jpg 0 10 10 40 40 99.5 0"])
    (tmp_path / "sets/notes").mkdir()
    with pytest.raises(DataError, match=r"(?s)found: one, two.*such as .*sets/one"):
        find_place(tmp_path / "sets")


@pytest.mark.parametrize(
    "name", ["EmoLabel/list_patition_label.txt", "label/label.lst", "fer2013.csv", "fer2013new.csv"]
)
def test_label_table_stands_for_the_folder_of_its_data_set(tmp_path: Path, name: str) -> None:
    root = tmp_path / "set"
    if name.startswith("EmoLabel"):
        rafdb(root, ["train_00001.jpg 1"])
    elif name.startswith("label"):
        expw(root, ["a.jpg 0 10 10 40 40 99.5 0"])
        (root / "label").mkdir()
        (root / "label.lst").rename(root / name)
    else:
        fer2013_csv(root / "fer2013.csv", fer2013_rows([(0, "Training")]))
        ferplus_csv(root / "fer2013new.csv", ["Training,a.png,0,10,0,0,0,0,0,0,0,0"])
    assert find_place(root / name).path == root


def test_table_in_a_zip_of_its_own_is_read_there(tmp_path: Path) -> None:
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows([(0, "Training")]))
    archive = zipped(
        tmp_path / "down/fer2013.csv.zip", {"fer2013.csv": (tmp_path / "fer2013.csv").read_bytes()}
    )
    assert find_place(archive).layout == "fer2013"


def test_file_that_is_no_label_table_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "set/a.png")
    (tmp_path / "set/notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"(?s)no label table.*notes\.txt"):
        find_place(tmp_path / "set/notes.txt")


def test_pictures_are_unlabelled_only_where_no_table_lies_above_them(tmp_path: Path) -> None:
    put(tmp_path / "set/pictures/a.png")
    assert find_place(tmp_path / "set").layout == "unlabelled"
    (tmp_path / "set/answers.csv").write_text("a.png,3")
    with pytest.raises(DataError, match="no layout"):
        find_place(tmp_path / "set")
    assert find_place(tmp_path / "set", layout="unlabelled").layout == "unlabelled"


def test_a_layout_that_is_asked_for_is_taken_even_where_another_fits(tmp_path: Path) -> None:
    rafdb(tmp_path / "set", ["train_00001.jpg 1"])
    assert find_place(tmp_path / "set", preferred="folder7").layout == "rafdb_basic"
    assert find_place(tmp_path / "set", layout="folder7").layout == "folder7"


def test_nothing_at_the_path_or_in_the_archive(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x/y.txt": b""})
    with pytest.raises(DataError, match="nothing at this path"):
        find_place(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"(?s)no such folder.*z"):
        find_place(archive / "z")


@pytest.mark.parametrize("place", ["", "RAF-AU", "RAF-AU/RAFAU_label.txt"])
def test_action_units_are_named_and_the_set_with_emotions_is_pointed_to(
    tmp_path: Path, place: str
) -> None:
    put(tmp_path / "raw/RAF-AU/aligned/0001_aligned.jpg")
    (tmp_path / "raw/RAF-AU/RAFAU_label.txt").write_text(AU_LINES)
    (tmp_path / "raw/RAF-AU/RAFAU_landmark.txt").write_text("0001.jpg 10.5\t20.5\t\n")
    with pytest.raises(
        DataError, match=r"(?s)action units.*RAFAU_label\.txt.*1\+2\+5.*fer data add rafml_argmax"
    ):
        find_place(tmp_path / "raw" / place)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "0001.jpg 4\n0002.jpg 12\n"),  # any numbered classes
        ("list.txt", "0001.jpg happy+sad\n"),
        ("RAFCE_AUlabel.txt", AU_LINES),  # beside emotions, below
    ],
)
def test_other_lists_are_not_taken_for_action_units(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / "set/labels/a.jpg")
    (tmp_path / "set" / name).write_text(text)
    if name.startswith("RAFCE"):
        (tmp_path / "set/RAFCE_emolabel.txt").write_text("0001.jpg 3\n")
    (tmp_path / "set/latin.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no layout"):
        find_place(tmp_path / "set")


def test_action_unit_labels_beside_a_known_layout_do_no_harm(tmp_path: Path) -> None:
    rafdb(tmp_path / "raf", ["train_00001.jpg 1"])
    (tmp_path / "raf/RAFAU_label.txt").write_text(AU_LINES)
    assert find_place(tmp_path / "raf").layout == "rafdb_basic"


@pytest.mark.parametrize("given", ["", "origin.7z.001"])
def test_volumes_alone_are_named(tmp_path: Path, given: str) -> None:
    for number in (1, 2):
        (tmp_path / f"origin.7z.00{number}").write_bytes(b"7z")
    with pytest.raises(
        DataError,
        match=r"(?s)still packed.*origin\.7z\.001, origin\.7z\.002.*remedy: unpack it: `7z x "
        r"origin\.7z\.001`",
    ):
        find_place(tmp_path / given)


def test_a_single_packed_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "faces.rar").write_bytes(b"Rar!")
    assert packed(open_tree(tmp_path)) == ["faces.rar"]
    assert "7z x faces.rar" in str(still_packed(open_tree(tmp_path)))
    (tmp_path / "faces.rar").rename(tmp_path / "faces.tar.xz")
    with pytest.raises(DataError, match=r"(?s)still packed.*tar -xf faces\.tar\.xz"):
        find_place(tmp_path)
    assert "rename" not in str(still_packed(open_tree(tmp_path)))


def test_class_folders_are_found_below_sole_folders(tmp_path: Path) -> None:
    put(tmp_path / "a/b/happy/x.png")
    assert class_folders(tmp_path / "a") == class_folders(tmp_path / "a/b") == tmp_path / "a/b"
    archive = zipped(tmp_path / "c/d.zip", {"e/train/sad/y.png": encoded(picture(1))})
    assert class_folders(tmp_path / "c") == archive / "e"
    (tmp_path / "a/other").mkdir()
    with pytest.raises(DataError, match=r"(?s)found: b, other"):
        class_folders(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("faces.tar.xz", r"cannot be read in place.*tar -xf faces\.tar\.xz"),
        ("faces.tar.bz2", r"cannot be read in place.*tar -xf"),
        ("faces.txz", r"cannot be read in place.*tar -xf"),
        ("fer2013.csv.xz", r"cannot be read in place.*xz -dk fer2013\.csv\.xz"),
        ("fer2013.csv.bz2", r"cannot be read in place.*bzip2 -dk"),
        ("faces.7z", r"still packed.*7z x faces\.7z"),
        ("faces.rar", r"still packed.*7z x faces\.rar"),
        ("a.PNG", "This is a picture.*fer predict"),
        ("a.heic", "This is a picture"),
        ("a.mp4", "This is a video.*frames"),
        ("notes.csv", r"no label table.*notes\.csv.*a column of paths"),
        ("notes.md", "no label table"),
    ],
)
def test_a_given_file_never_means_the_folder_around_it(
    tmp_path: Path, name: str, words: str
) -> None:
    put(tmp_path / "set/happy/a.png")
    fer2013_csv(tmp_path / "set/fer2013.csv", fer2013_rows([(0, "Training")]))
    (tmp_path / "set" / name).write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=f"(?s){words}"):
        find_place(tmp_path / "set" / name)


def test_of_two_tables_of_one_layout_the_given_one_is_read(tmp_path: Path) -> None:
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows([(0, "Training")] * 2))
    kaggle = fer2013_csv(tmp_path / "icml_face_data.csv", fer2013_rows([(0, "Training")] * 3))
    found = find_place(kaggle)
    assert (found.path, found.tree.table) == (kaggle, "icml_face_data.csv")
    assert reader_for("fer2013").files(found.tree) == ["icml_face_data.csv"]
    assert find_place(tmp_path / "fer2013.csv").path == find_place(tmp_path).path == tmp_path


def test_a_table_beside_another_data_set_means_itself(tmp_path: Path) -> None:
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows([(0, "Training")]))
    put(tmp_path / "faces/images/a.png")
    legend = tmp_path / "faces/legend.csv"
    legend.write_text("image,emotion\na.png,sad\n")
    for given in (legend, tmp_path / "faces"):
        found = find_place(given)
        assert (found.path, found.layout) == (tmp_path / "faces", "csv_labels")
    with pytest.raises(DataError, match="Layout fer2013 does not read this file"):
        find_place(legend, layout="fer2013")


def test_the_hub_s_folder_of_a_repository_means_its_snapshot(tmp_path: Path) -> None:
    for folder in ("blobs", "refs"):
        (tmp_path / folder).mkdir()
    put(tmp_path / "snapshots/0123/happy/a.png")
    assert find_place(tmp_path).path == tmp_path / "snapshots/0123"
    (tmp_path / "snapshots/4567").mkdir()
    with pytest.raises(DataError, match=r"(?s)Several snapshots.*0123, 4567"):
        find_place(tmp_path)
