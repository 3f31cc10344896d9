import pytest

from fer_core.base.errors import DataError
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.unlabelled import READER as unlabelled
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped


def test_every_image_of_a_folder_becomes_a_face_without_label(tmp_path):
    put(tmp_path / "b.jpg", seed=1)
    put(tmp_path / "holiday/2019/A.PNG")
    put(tmp_path / "holiday/c.webp")
    (tmp_path / "README.txt").write_text("x")
    (tmp_path / "holiday/film.mp4").write_bytes(b"x")
    (tmp_path / "holiday/Thumbs.db").write_bytes(b"x")
    assert recognise(open_tree(tmp_path)) == "unlabelled"
    faces, exclusions = read(unlabelled, tmp_path, "mine")
    assert [(face.sample_id, face.label, face.split, face.usage) for face in faces] == [
        ("mine/b.jpg", -1, "none", ""),
        ("mine/holiday/2019/A.PNG", -1, "none", ""),
        ("mine/holiday/c.webp", -1, "none", ""),
    ]
    assert all(face.group == face.sample_id and face.votes is None for face in faces)
    assert faces[0].image == encoded(picture(1), ".jpg")
    assert [(item.sample_id, item.reason, item.detail, item.split) for item in exclusions] == [
        ("mine/README.txt", "not an image file", "README.txt", "none"),
        ("mine/holiday/film.mp4", "not an image file", "holiday/film.mp4", "none"),
    ]
    assert unlabelled.announce(open_tree(tmp_path), clean_options()) == {
        "none": {"unlabelled": 3, "(other file)": 2}
    }


def test_an_archive_of_images_is_read_in_place(tmp_path):
    zipped(tmp_path / "faces.zip", {"2/b.png": encoded(picture(2)), "1/a.png": encoded(picture(1))})
    for root, above in ((tmp_path / "faces.zip", ""), (tmp_path, "faces/")):
        assert unlabelled.recognise(open_tree(root))
        faces, _ = read(unlabelled, root, "mine")
        assert [(face.sample_id, face.image) for face in faces] == [
            (f"mine/{above}1/a.png", encoded(picture(1))),
            (f"mine/{above}2/b.png", encoded(picture(2))),
        ]


@pytest.mark.parametrize(
    "name",
    [
        "happy/a.png",
        "deep/er/Sadness/a.png",
        "table.csv",
        "label.lst",
        "list_patition_label.txt",
        "labels/a.txt",
        "x/annotations/a.npy",
        "data.yaml",
    ],
)
def test_a_folder_with_anything_like_labels_is_not_taken(tmp_path, name):
    put(tmp_path / "images/a.png")
    assert unlabelled.recognise(open_tree(tmp_path))
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(0)))
    assert not unlabelled.recognise(open_tree(tmp_path))


def test_names_of_images_and_of_this_layout_are_no_labels(tmp_path):
    put(tmp_path / "unlabelled/label_0001.png")
    put(tmp_path / "Happy Birthday/sad.png")
    assert unlabelled.recognise(open_tree(tmp_path))


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    assert not unlabelled.recognise(open_tree(tmp_path))
    with pytest.raises(DataError, match=r"(?s)No images.*1 other files.*\.png"):
        read(unlabelled, tmp_path)


def test_split_folders_without_classes_stay_folder7(tmp_path):
    put(tmp_path / "train/a.png")
    assert recognise(open_tree(tmp_path), preferred="unlabelled") == "folder7"


def test_caches_and_descriptions_beside_pictures_are_no_labels(tmp_path):
    for name in ("a.png", "cache/a.npy", "meta.json", "cache/metadata.csv", "b.AVIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(picture(0)))
    assert recognise(open_tree(tmp_path)) == "unlabelled"
    faces, exclusions = read(unlabelled, tmp_path)
    assert [face.sample_id for face in faces] == ["set/a.png"] and len(exclusions) == 4
    (tmp_path / "a_exp.npy").touch()
    assert not unlabelled.recognise(open_tree(tmp_path))


def test_pictures_of_one_subject_are_one_group(tmp_path):
    put(tmp_path / "x/a.png")
    put(tmp_path / "x/b.png", seed=1)
    table = tmp_path / "subjects.csv"
    table.write_text("file,subject\nx/a.png,Ann\nx/b.png,Ann\n")
    assert recognise(open_tree(tmp_path)) == "unlabelled"
    faces, exclusions = read(unlabelled, tmp_path, "mine")
    assert [face.group for face in faces] == ["mine/subjects.csv/Ann"] * 2 and not exclusions
    for text, words in (("x/a.png,Ann", "not in subjects"), ("x/c.png,Ann", "not in|missing")):
        table.write_text(f"file,subject\n{text}\n")
        with pytest.raises(DataError, match=words):
            read(unlabelled, tmp_path)
    table.write_text("file,subject\nx/a.png,Ann\nx/b.png,Ann\nx/c.png,Bo\n")
    with pytest.raises(DataError, match="file of the table is missing"):
        read(unlabelled, tmp_path)
    (tmp_path / "x/subjects.csv").write_text("another")
    assert not unlabelled.recognise(open_tree(tmp_path))
