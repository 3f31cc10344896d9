"""`fer data add` of archives, read in place, and of what is still packed."""

import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.descriptor import read_descriptor
from tests.fer_cli.adding import faces, fer
from tests.sources.trees import encoded, picture, put, rafdb, zipped


def test_archive_outside_the_raw_folder_is_linked_with_its_suffix_and_read_in_place(
    data_project, tmp_path
):
    rafdb(tmp_path / "unpacked", ["train_00001.jpg 1", "test_0001.jpg 2"])
    files = {
        f"basic/{path.relative_to(tmp_path / 'unpacked').as_posix()}": path.read_bytes()
        for path in (tmp_path / "unpacked").rglob("*.*")
    }
    archive = zipped(tmp_path / "downloads/RAF.ZIP", files)
    fer("add", "rafdb_basic", archive)
    assert (data_project / "raw/rafdb_basic.zip").readlink() == archive
    assert read_descriptor(data_project / "data/sources/rafdb_basic.json").root == "rafdb_basic.zip"
    assert faces(data_project, "rafdb_basic") == 2
    deep = zipped(
        tmp_path / "downloads/raf.zip", {f"outer/{name}": data for name, data in files.items()}
    )
    output = fer("add", "rafdb_basic", deep)
    assert f"found in {deep}/outer" in output
    assert (
        read_descriptor(data_project / "data/sources/rafdb_basic.json").root
        == "rafdb_basic.zip/outer"
    )
    assert faces(data_project, "rafdb_basic") == 2
    fer("add", "rafdb_basic", tmp_path / "unpacked")
    assert sorted(path.name for path in (data_project / "raw").iterdir()) == ["rafdb_basic"]
    fer("add", "rafdb_basic", deep)
    fer("remove", "rafdb_basic", "--force")
    assert not list((data_project / "raw").iterdir()) and deep.exists()


def test_archive_inside_the_raw_folder_needs_no_link(data_project):
    zipped(
        data_project / "raw/sets/mine.zip",
        {"faces/happy/a.png": encoded(picture(1)), "faces/sad/b.png": encoded(picture(2))},
    )
    fer("add", "mine", "raw/sets")
    assert read_descriptor(data_project / "data/sources/mine.json").root == "sets/mine.zip"
    fer("add", "mine", "raw/sets/mine.zip/faces")
    assert read_descriptor(data_project / "data/sources/mine.json").root == "sets/mine.zip/faces"
    assert faces(data_project, "mine") == 2
    assert [path.name for path in (data_project / "raw").iterdir()] == ["sets"]


def test_custom_takes_an_archive_and_the_folder_that_really_holds_the_classes(
    data_project, tmp_path
):
    zipped(tmp_path / "packed.zip", {"happy/a.png": encoded(picture(1))})
    put(tmp_path / "deep/folder/inner/sad/b.png", 2)
    fer("add", "custom", tmp_path / "packed.zip")
    output = fer("add", "custom", tmp_path / "deep")
    assert sorted(path.name for path in (data_project / "raw/custom").iterdir()) == [
        "inner",
        "packed.zip",
    ]
    assert [
        line.split()[1] for line in output.splitlines() if line.startswith(("Happy", "Sad"))
    ] == ["1", "1"]  # of both folders
    assert faces(data_project, "custom") == 2


def test_expw_whose_photos_are_still_packed_is_refused_with_the_steps_to_unpack_it(
    data_project, tmp_path
):
    (tmp_path / "data/image").mkdir(parents=True)
    (tmp_path / "data/label").mkdir()
    (tmp_path / "data/label/label.lst").write_text("a.jpg 0 10 10 40 40 99.5 0\n")
    for name in ("origin.7z.001.001", "origin.7z.002", "origin.7z.004"):
        (tmp_path / "data/image" / name).write_bytes(b"7z")
    words = r"(?s)still packed.*missing volumes 003; rename origin\.7z\.001\.001 to origin\.7z\.001; .*7z x origin\.7z\.001` in .*image"
    with pytest.raises(DataError, match=words):
        fer("add", "expw", tmp_path / "data")
    put(tmp_path / "data/image/origin/a.jpg", height=60, width=80)
    assert "because they are packed: image/origin.7z.001.001" in fer(
        "add", "expw", tmp_path / "data"
    )
