import pytest

from fer_core.base.errors import DataError
from fer_core.sources.families.affectnet import LabelledImage, inner_folder, pair_up
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import zipped


def made(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return open_tree(root)


def test_images_get_the_label_file_of_their_stem_in_order_of_names(tmp_path):
    tree = made(
        tmp_path,
        "i/10.jpg",
        "i/2.jpg",
        "i/2.5.png",
        "i/none",
        "i/2.npy",
        "i/meta.json",
        "l/2.txt",
        "l/10.txt",
        "l/2.5.txt",
        "l/none.txt",
        "l/2.json",
    )
    assert pair_up(tree, "i", "l", ".txt") == [
        LabelledImage("10.jpg", "i/10.jpg", "l/10.txt"),
        LabelledImage("2.5.png", "i/2.5.png", "l/2.5.txt"),
        LabelledImage("2.jpg", "i/2.jpg", "l/2.txt"),
        LabelledImage("none", "i/none", "l/none.txt"),
    ]


def test_case_may_differ_but_the_same_spelling_wins(tmp_path):
    tree = made(tmp_path, "i/A.JPG", "i/b.jpg", "i/B.jpg", "l/a.TXT", "l/b.txt", "l/B.txt")
    assert [pair.label for pair in pair_up(tree, "i", "l", ".txt")] == [
        "l/a.TXT",
        "l/B.txt",
        "l/b.txt",
    ]


def test_image_without_label_file_is_an_error_with_name_and_count(tmp_path):
    tree = made(tmp_path, "i/1.jpg", "i/2.jpg", "i/3.jpg", "l/2.txt")
    with pytest.raises(
        DataError, match=r"(?s)2 of 3 images have no label file.*i/1\.jpg.*no file 1\.txt in .*/l"
    ):
        pair_up(tree, "i", "l", ".txt")


def test_label_file_without_image_is_an_error_with_name_and_count(tmp_path):
    tree = made(tmp_path, "i/2.jpg", "l/1.txt", "l/2.txt", "l/3.txt")
    with pytest.raises(
        DataError,
        match=r"(?s)2 of 3 label files have no image.*l/1\.txt.*no image of the name '1' in .*/i",
    ):
        pair_up(tree, "i", "l", ".txt")


@pytest.mark.parametrize(
    ("missing", "problem"), [("i", "1 of 1 label files"), ("l", "1 of 1 images")]
)
def test_missing_folder_is_an_error_too(tmp_path, missing, problem):
    (tmp_path / "x").mkdir()
    tree = made(tmp_path, *[name for name in ("i/1.jpg", "l/1.txt") if name[0] != missing])
    with pytest.raises(DataError, match=problem):
        pair_up(tree, "i", "l", ".txt")


def test_archive_may_hold_the_folder_that_it_is_named_after(tmp_path):
    zipped(tmp_path / "a.zip", {"a/1.jpg": b""})
    zipped(tmp_path / "b.zip", {"1.jpg": b"", "c/b/2.jpg": b""})
    tree = open_tree(tmp_path)
    assert [inner_folder(tree, name) for name in ("a", "b", "b/c", "absent")] == [
        "a/a",
        "b",
        "b/c",
        "absent",
    ]
