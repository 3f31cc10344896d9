import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.faces import UNDECODABLE
from fer_core.sources.files.tree import open_tree
from fer_core.sources.images.crops import crop_box
from fer_core.sources.layouts.expw import READER as expw
from tests.sources import trees
from tests.sources.trees import clean_options, read

# image face top left right bottom confidence expression
LISTED = [
    "happy_actor_1.jpg 0 10 20 50 40 88.5 3",
    "happy_actor_1.jpg 1 0 50 70 30 41 6",
    "angry_man_2.jpg 0 -5 60 95 70 60 0",
]


def test_columns_are_read_in_the_official_order(tmp_path):
    faces, exclusions = read(expw, trees.expw(tmp_path, LISTED), "expw")
    assert exclusions == []
    first = faces[0]
    assert (first.sample_id, CLASSES[first.label], first.split) == (
        "expw/happy_actor_1.jpg#0",
        "Happy",
        "train",
    )
    assert first.box == (10, 20, 40, 50)  # top, left, bottom, right
    assert decode_rgb(first.image, "").shape == (30, 30, 3)  # 40 - 10 rows, 50 - 20 columns
    assert (first.confidence, first.face_id, first.orig_image) == (88.5, 0, "happy_actor_1.jpg")
    assert CLASSES[faces[1].label] == "Neutral"
    assert decode_rgb(faces[1].image, "").shape == (30, 20, 3)


def test_faces_of_one_photo_are_one_group(tmp_path):
    faces, _ = read(expw, trees.expw(tmp_path, LISTED))
    assert faces[0].group == faces[1].group != faces[2].group


def test_crop_shows_what_is_in_the_box(tmp_path):
    faces, _ = read(expw, trees.expw(tmp_path, LISTED), crops={"quality": 100})
    photo = decode_rgb((tmp_path / "image/origin/happy_actor_1.jpg").read_bytes(), "")
    wanted = photo[10:40, 20:50].astype(int)
    assert np.abs(decode_rgb(faces[0].image, "").astype(int) - wanted).mean() < 2


def test_box_over_the_edge_is_clipped_and_noted(tmp_path):
    faces, _ = read(expw, trees.expw(tmp_path, LISTED))
    assert [face.note for face in faces] == ["", "", "box clipped to the photo"]
    assert decode_rgb(faces[2].image, "").shape == (60, 20, 3)
    assert faces[2].box == (-5, 60, 70, 95)


def test_padding_grows_the_crop_by_its_share(tmp_path):
    faces, _ = read(expw, trees.expw(tmp_path, LISTED[:1]), expw={"pad_ratio": 0.2})
    assert decode_rgb(faces[0].image, "").shape == (42, 42, 3)


@given(
    box=st.tuples(*[st.integers(-50, 150)] * 4),
    pad=st.floats(0, 2),
    width=st.integers(1, 120),
    height=st.integers(1, 120),
)
def test_crop_never_leaves_the_photo(box, pad, width, height):
    (top, left, bottom, right), clipped = crop_box(box, pad, width, height)
    assert top >= 0 and left >= 0 and bottom <= height and right <= width
    if 0 <= box[0] < box[2] <= height and 0 <= box[1] < box[3] <= width and pad == 0:
        assert (top, left, bottom, right) == box and not clipped


def test_low_confidence_and_empty_boxes_are_excluded_with_reasons(tmp_path):
    listed = [*LISTED, "angry_man_2.jpg 1 10 90 99 40 90 2", "angry_man_2.jpg 2 40 10 20 40 90 2"]
    faces, exclusions = read(
        expw, trees.expw(tmp_path, listed), "expw", expw={"min_confidence": 60.0}
    )
    assert [face.confidence for face in faces] == [88.5, 60]
    assert [(item.sample_id, item.reason, item.word) for item in exclusions] == [
        ("expw/happy_actor_1.jpg#1", "ExpW: confidence below the minimum", "Neutral"),
        ("expw/angry_man_2.jpg#1", "ExpW: box without area inside the photo", "Fear"),
        ("expw/angry_man_2.jpg#2", "ExpW: box without area inside the photo", "Fear"),
    ]
    assert expw.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Happy": 1, "Neutral": 1, "Angry": 1, "Fear": 2}
    }


@pytest.mark.parametrize("folder", ["image/origin", "origin", "origin/origin"])
def test_photos_are_found_in_every_known_place(tmp_path, folder):
    assert len(read(expw, trees.expw(tmp_path, LISTED, folder))[0]) == 3


def test_undecodable_photo_excludes_its_faces_by_name(tmp_path):
    trees.expw(tmp_path, LISTED)
    path = tmp_path / "image/origin/happy_actor_1.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    faces, exclusions = read(expw, tmp_path)
    assert len(faces) == 1
    assert [item.reason for item in exclusions] == [UNDECODABLE] * 2
    assert "happy_actor_1.jpg" in exclusions[0].detail and str(tmp_path) not in exclusions[0].detail


def test_missing_photo_is_an_error(tmp_path):
    trees.expw(tmp_path, LISTED)
    (tmp_path / "image/origin/angry_man_2.jpg").unlink()
    with pytest.raises(
        DataError, match=r"(?s)1 of 2 listed photos are missing.*line 3.*angry_man_2\.jpg"
    ):
        read(expw, tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.jpg 0 10 20 50 40 88.5", "number of columns"),
        ("a.jpg 0 10 20 50 40 88.5 3 1", "number of columns"),
        ("a.jpg 0 10 20 fifty 40 88.5 3", "not a number"),
        ("a.jpg 0 10 20 50 40 nan 3", "out of range"),
        ("a.jpg 0 10 20 50 40 1e39 3", "out of range"),
        ("a.jpg 0 10 20 5000000 40 88.5 3", "out of range"),
        (f"a.jpg 0 {'9' * 400} 20 50 40 88.5 3", "out of range"),
        ("a.jpg -1 10 20 50 40 88.5 3", "out of range"),
        ("a.jpg 0 10 20 50 40 88.5 7", "Unknown expression id '7'"),
        ("happy_actor_1.jpg 0 10 20 50 40 88.5 3", "listed twice, first in line 1"),
        ("/etc/a.jpg 0 10 20 50 40 88.5 3", "outside its data set"),
        ("a/../../b.jpg 0 10 20 50 40 88.5 3", "outside its data set"),
    ],
)
def test_faulty_line_is_named(tmp_path, line, problem):
    trees.expw(tmp_path, LISTED[:1])
    (tmp_path / "label.lst").write_text(f"{LISTED[0]}\n{line}\n")
    with pytest.raises(DataError, match=rf"(?s){problem}.*label\.lst, line 2"):
        read(expw, tmp_path)


@pytest.mark.parametrize("folder", ["Images", "image", "Image/origin", "photos"])
def test_photos_in_other_folders_are_found(tmp_path, folder):
    faces, _ = read(expw, trees.expw(tmp_path, LISTED, folder))
    assert len(faces) == 3
    assert expw.files(open_tree(tmp_path)) == ["label.lst", folder.split("/")[0]]


def test_photos_in_several_folders_are_found(tmp_path):
    trees.expw(tmp_path, LISTED, "origin_1")
    (tmp_path / "origin_2").mkdir()
    (tmp_path / "origin_1/angry_man_2.jpg").rename(tmp_path / "origin_2/angry_man_2.jpg")
    assert len(read(expw, tmp_path)[0]) == 3


def test_one_missing_photo_is_left_out_where_that_is_allowed(tmp_path):
    trees.expw(tmp_path, LISTED)
    (tmp_path / "image/origin/angry_man_2.jpg").unlink()
    with pytest.raises(DataError, match=r"(?s)1 of 2 listed photos.*clean\.allow_undecodable"):
        read(expw, tmp_path)
    faces, exclusions = read(expw, tmp_path, allow_undecodable=1)
    assert len(faces) == 2
    assert [(item.reason, item.detail) for item in exclusions] == [
        (UNDECODABLE, "there is no such file")
    ]
