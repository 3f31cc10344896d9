import logging
from pathlib import Path

import pytest

from fer_cli.predict.inputs import Item, image_files
from fer_core.base.errors import DataError
from tests.fer_cli.predicting import folder

__all__ = ["folder"]


@pytest.mark.parametrize(
    "table",
    [
        "label,path\n0,more/c.PNG\n3,a.png\n",
        "\ufefflabel,Image\r\n0,more/c.PNG\r\n3, a.png\r\n\r\n",
        "more/c.PNG\na.png\n",
        'subDirectory_filePath,face_x\n"more/c.PNG",1\na.png,2\n',
        "label;path\r\n0;more/c.PNG\r\n3;a.png\r\n",
        '\ufefffile\tlabel\nmore/c.PNG\t"a;b,c"\na.png\t1\n',
        '"a;b";path\n"0;1";more/c.PNG\n3;a.png\n',
    ],
)
def test_a_table_names_images_beside_it_in_its_own_order(folder: Path, table: str) -> None:
    (folder / "list.csv").write_text(table, encoding="utf-8", newline="")
    assert image_files([folder / "list.csv", folder / "b.png"]) == [
        Item(folder / name) for name in ("more/c.PNG", "a.png", "b.png")
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("label,name\n0,a.png\n", "no column of image paths"),
        ("label;name\n0;a.png\n", "no column of image paths[\\s\\S]*label, name[\\s\\S]*semicolon"),
        ("label\tname\n0\ta.png\n", "no column of image paths"),
        ("path\n", "no rows"),
        ("\n\n", "empty"),
        (b"path\n\xff\xfe.png\n", "cannot be read"),
        ('path\n"a.png\n', "cannot be read"),
    ],
)
def test_faulty_table_is_named(folder: Path, table: str | bytes, words: str) -> None:
    (folder / "list.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(DataError, match=words) as caught:
        image_files([folder / "list.csv"])
    assert "list.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "line"), [("label,path\n1,gone.png\n0,a.png\n", 2), ("\nlabel;path\n0\n1;a.png\n", 3)]
)
def test_row_that_names_no_file_is_a_fault_of_its_own(folder: Path, table: str, line: int) -> None:
    (folder / "list.csv").write_text(table)
    faulty, sound = image_files([folder / "list.csv"])
    assert f"list.csv: line {line}" in str(faulty.fault)
    assert sound == Item(folder / "a.png")


def test_list_of_paths_may_hold_delimiters(folder: Path) -> None:
    (folder / "a.png").rename(folder / "a;1.png")
    (folder / "list.csv").write_text("a;1.png\nb.png\n")
    assert image_files([folder / "list.csv"]) == [Item(folder / "a;1.png"), Item(folder / "b.png")]


def test_files_of_a_folder_that_are_not_read_are_counted_by_suffix(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("x.heic", "more/y.HEIC", "z.gif"):
        (folder / name).write_bytes(b"")
    assert [item.file.name for item in image_files([folder])] == ["a.png", "b.png", "c.PNG"]
    assert "2 .heic" in caplog.text and "1 .gif" in caplog.text
    for name in ("a.png", "b.png", "more/c.PNG"):
        (folder / name).unlink()
    with pytest.raises(DataError, match=r"no images[\s\S]*2 \.heic"):
        image_files([folder])


def test_folder_without_other_files_says_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "notes.txt").unlink()
    image_files([folder])
    assert caplog.records == [] or all(
        record.levelno < logging.WARNING for record in caplog.records
    )


def test_litter_is_passed_over_and_every_ending_of_an_image_is_known(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "notes.txt").unlink()
    for name in ("._a.png", ".hidden.png", "Thumbs.db", "__MACOSX/b.png", "@eaDir/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"litter")
    for name in ("d.jfif", "e.JPE"):
        (folder / name).write_bytes(b"")
    found = [item.file.name for item in image_files([folder])]
    assert found == ["a.png", "b.png", "d.jfif", "e.JPE", "c.PNG"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_linked_folders_are_read_and_circles_end(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.png").write_bytes(b"")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "more" / "circle").symlink_to(folder)
    assert [item.file.name for item in image_files([folder])] == [
        "a.png",
        "b.png",
        "d.png",
        "c.PNG",
    ]


@pytest.mark.parametrize("head", ["file_name", "Img_Path", "filepath", "image name"])
def test_columns_have_the_names_that_data_sets_give_them(folder: Path, head: str) -> None:
    (folder / "list.csv").write_text(f"label,{head}\n0,a.png\n")
    assert image_files([folder / "list.csv"]) == [Item(folder / "a.png")]
