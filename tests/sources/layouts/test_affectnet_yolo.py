import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.pixels.decode import decode_rgb
from fer_core.sources.catalogue.descriptor import Descriptor, scanned, write_descriptor
from fer_core.sources.catalogue.faces import UNDECODABLE
from fer_core.sources.catalogue.registry import recognise
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.affectnet_yolo import READER as affectnet_yolo
from tests.sources.files.test_archives import tarred
from tests.sources.files.test_class_names import LIST, MAPPING
from tests.sources.trees import clean_options, encoded, picture, put, read, zipped

# label file -> its lines: class, centre x, centre y, width, height; photos are 60 rows x 80 columns
LABELS = {
    "train/ffhq_1023": "0 0.5 0.5 1 1\n",
    "train/image0000060": "1 0.5 0.5 1.0 1.0\n",
    "train/image0000061": "2 0.5 0.5 0.5 0.5\n4 0.25 0.5 0.5 1\n",
    "train/image0000062": "",
    "train/image0000063": "3 0.500000 0.500000 0.500000 0.500000\n",
    "valid/ffhq_7": "5 0.9 0.5 0.4 0.5",
    "test/ffhq_8": "6 0.375 0.25 0.25 0.5\n",
    "test/ffhq_9": "7 0.5 0.5 0 0.5\n",
}


def yolo_tree(
    root: Path, labels: dict[str, str] = LABELS, names: str = LIST, top: str = ""
) -> Path:
    """Names, label files and a photo for each of them."""
    (root / top).mkdir(parents=True, exist_ok=True)
    (root / top / "data.yaml").write_text(names)
    for seed, (name, lines) in enumerate(labels.items()):
        split, stem = name.split("/")
        put(root / top / split / f"images/{stem}.png", seed, height=60, width=80)
        (root / top / split / "labels").mkdir(exist_ok=True)
        (root / top / split / f"labels/{stem}.txt").write_text(lines)
    return root


def test_names_of_data_yaml_decide_what_a_class_id_means(tmp_path):
    faces, exclusions = read(affectnet_yolo, yolo_tree(tmp_path), "yolo")
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("yolo/train/images/ffhq_1023.png", "Angry", "train", "train"),
        ("yolo/train/images/image0000061.png#0", "Disgust", "train", "train"),
        ("yolo/train/images/image0000061.png#1", "Happy", "train", "train"),
        ("yolo/train/images/image0000063.png", "Fear", "train", "train"),
        ("yolo/valid/images/ffhq_7.png", "Neutral", "val", "valid"),
        ("yolo/test/images/ffhq_8.png", "Sad", "test", "test"),
    ]
    assert [(item.sample_id, item.reason, item.split, item.word) for item in exclusions] == [
        (
            "yolo/train/images/image0000060.png",
            "AffectNet: class name is none of the seven",
            "train",
            "contempt",
        ),
        ("yolo/train/images/image0000062.png", "AffectNet: no box", "train", "no face"),
        (
            "yolo/test/images/ffhq_9.png",
            "AffectNet: box without area inside the photo",
            "test",
            "Surprise",
        ),
    ]
    assert affectnet_yolo.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Angry": 1, "contempt": 1, "Disgust": 1, "Happy": 1, "no face": 1, "Fear": 1},
        "val": {"Neutral": 1},
        "test": {"Sad": 1, "Surprise": 1},
    }


def test_the_same_ids_mean_other_classes_where_the_names_have_another_order(tmp_path):
    faces, exclusions = read(affectnet_yolo, yolo_tree(tmp_path, names=MAPPING))
    # 0 Neutral 1 Happy 2 Sad 3 Surprise 4 Fear 5 Disgust 6 Anger 7 Contempt
    assert [CLASSES[face.label] for face in faces] == [
        "Neutral",
        "Happy",
        "Sad",
        "Fear",
        "Surprise",
        "Disgust",
        "Angry",
    ]
    assert [item.word for item in exclusions] == ["no face", "contempt"]


def test_unknown_names_are_counted_under_their_own(tmp_path):
    read(
        affectnet_yolo,
        yolo_tree(
            tmp_path, {"train/a": "1 0.5 0.5 1 1\n0 0.5 0.5 1 1\n"}, "names: [Sleepy, happy]\n"
        ),
    )
    assert affectnet_yolo.announce(open_tree(tmp_path), clean_options()) == {
        "train": {"Happy": 1, "sleepy": 1}
    }


def test_boxes_are_shares_of_the_photo_and_photos_are_groups(tmp_path):
    faces, _ = read(affectnet_yolo, yolo_tree(tmp_path), crops={"quality": 100})
    by_id = {face.sample_id.removeprefix("set/"): face for face in faces}
    first, second = (
        by_id["train/images/image0000061.png#0"],
        by_id["train/images/image0000061.png#1"],
    )
    assert (first.box, second.box) == ((15, 20, 45, 60), (0, 0, 60, 40))  # top, left, bottom, right
    assert first.group == second.group == "set/train/images/image0000061.png"
    assert (first.orig_image, first.face_id, second.face_id) == (
        "train/images/image0000061.png",
        0,
        1,
    )
    photo = decode_rgb((tmp_path / "train/images/image0000061.png").read_bytes(), "")
    for face, wanted in ((first, photo[15:45, 20:60]), (second, photo[:, :40])):
        crop = decode_rgb(face.image, "")
        assert crop.shape == wanted.shape
        assert np.abs(crop.astype(int) - wanted.astype(int)).mean() < 2
    assert len({face.group for face in faces}) == 5


def test_box_of_the_whole_photo_gives_the_original_bytes(tmp_path):
    faces, _ = read(affectnet_yolo, yolo_tree(tmp_path))
    assert faces[0].image == encoded(picture(0, 60, 80))


def test_box_over_the_edge_is_clipped_and_noted_and_padding_grows_it(tmp_path):
    faces, _ = read(affectnet_yolo, yolo_tree(tmp_path))
    edge = faces[4]
    assert (edge.box, edge.note) == ((15, 56, 45, 88), "box clipped to the photo")
    assert decode_rgb(edge.image, "").shape == (30, 24, 3)
    padded, _ = read(affectnet_yolo, tmp_path, affectnet={"pad_ratio": 0.1})
    assert decode_rgb(padded[1].image, "").shape == (30 + 3 + 3, 40 + 4 + 4, 3)


@pytest.mark.parametrize("top", ["YOLO_format", "YOLO_format/YOLO_format"])
def test_names_may_lie_one_folder_deeper_and_ids_stay_the_same(tmp_path, top):
    root = yolo_tree(tmp_path, top=top)
    assert recognise(open_tree(root)) == "affectnet_yolo"
    assert read(affectnet_yolo, root) == read(affectnet_yolo, root / top)
    tree = open_tree(root)
    assert tree.fingerprint(affectnet_yolo.files(tree)).files == 1 + 2 * len(LABELS)


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("top", ["", "own/"])
@pytest.mark.parametrize("part", ["train", "train/images", "valid/labels"])
def test_splits_and_folders_in_archives_are_read_in_place(tmp_path, form, top, part):
    root = yolo_tree(tmp_path)
    wanted = read(affectnet_yolo, root)
    top = top and f"{Path(part).name}/"
    members = {
        f"{top}{path.relative_to(root / part)}": path.read_bytes()
        for path in (root / part).rglob("*.*")
    }
    (zipped if form == "zip" else tarred)(root / f"{part}.{form}", members)
    shutil.rmtree(root / part)
    assert recognise(open_tree(root)) == "affectnet_yolo"
    assert read(affectnet_yolo, root) == wanted


def test_val_is_another_name_of_valid_and_a_split_may_be_absent(tmp_path):
    yolo_tree(tmp_path, {"val/a": "4 0.5 0.5 1 1"})
    assert [(face.split, face.usage) for face in read(affectnet_yolo, tmp_path)[0]] == [
        ("val", "val")
    ]
    shutil.rmtree(tmp_path / "val")
    assert not affectnet_yolo.recognise(open_tree(tmp_path))
    with pytest.raises(
        DataError, match=r"(?s)no split beside the list of class names.*train/ or valid/"
    ):
        read(affectnet_yolo, tmp_path)


def test_missing_or_faulty_names_are_an_error(tmp_path):
    yolo_tree(tmp_path, names="nc: 8\n")
    with pytest.raises(DataError, match="no class names"):
        read(affectnet_yolo, tmp_path)
    (tmp_path / "data.yaml").unlink()
    assert not affectnet_yolo.recognise(open_tree(tmp_path))
    with pytest.raises(
        DataError, match=r"(?s)list of class names is missing.*data\.yaml or YOLO_format/data\.yaml"
    ):
        read(affectnet_yolo, tmp_path)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (
            "train/labels/ffhq_1023.txt",
            r"1 of 5 images have no label file.*ffhq_1023\.png.*no file ffhq_1023\.txt",
        ),
        ("test/images/ffhq_9.png", r"1 of 2 label files have no image.*test/labels/ffhq_9\.txt"),
    ],
)
def test_image_without_label_file_and_the_reverse_are_errors(tmp_path, lost, words):
    (yolo_tree(tmp_path) / lost).unlink()
    for read_all in (
        affectnet_yolo.announce,
        lambda tree, options: list(affectnet_yolo.scan(tree, "yolo", options)),
    ):
        with pytest.raises(DataError, match=rf"(?s){words}"):
            read_all(open_tree(tmp_path), clean_options())


def test_undecodable_photo_excludes_its_faces_by_name_but_not_what_is_none(tmp_path):
    root = yolo_tree(tmp_path, {"train/a": "4 0.5 0.5 1 1\n1 0.5 0.5 1 1\n5 0.5 0.5 0 0\n"})
    path = root / "train/images/a.png"
    path.write_bytes(path.read_bytes()[:-40])
    faces, exclusions = read(affectnet_yolo, root)
    assert faces == []
    assert [(item.reason, item.word) for item in exclusions] == [
        (UNDECODABLE, "Happy"),
        ("AffectNet: class name is none of the seven", "contempt"),
        (UNDECODABLE, "Neutral"),
    ]
    assert (
        "train/images/a.png" in exclusions[0].detail and str(tmp_path) not in exclusions[0].detail
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("4 0.5 0.5 1", "number of columns"),
        ("4 0.5 0.5 1 1 0.9", "number of columns"),
        ("8 0.5 0.5 1 1", "Unknown class id '8'.*0 to 7"),
        ("-1 0.5 0.5 1 1", "Unknown class id '-1'"),
        ("4.0 0.5 0.5 1 1", r"Unknown class id '4\.0'"),
        ("04 0.5 0.5 1 1", "Unknown class id '04'"),
        ("Happy 0.5 0.5 1 1", "Unknown class id 'Happy'"),
        ("4 0.5 half 1 1", "not a number"),
        ("4 nan 0.5 1 1", "out of range"),
        ("4 0.5 inf 1 1", "out of range"),
        ("4 0.5 0.5 -0.1 1", "out of range"),
        ("4 0.5 0.5 1 1.01", "out of range"),
        ("4 48 48 96 96", "out of range"),
        ("4 0.5\0 0.5 1 1", "not text"),
    ],
)
def test_faulty_line_is_named(tmp_path, line, problem):
    yolo_tree(tmp_path, {"train/a": "4 0.5 0.5 1 1\n", "valid/b": f"4 0.5 0.5 1 1\n{line}\n"})
    for read_all in (
        affectnet_yolo.announce,
        lambda tree, options: list(affectnet_yolo.scan(tree, "yolo", options)),
    ):
        with pytest.raises(DataError, match=rf"(?s){problem}") as caught:
            read_all(open_tree(tmp_path), clean_options())
        assert caught.value.where == f"{tmp_path}/valid/labels/b.txt, line 2"


def test_blank_lines_and_windows_line_ends_change_nothing_and_a_huge_label_file_is_refused(
    tmp_path,
):
    wanted = read(affectnet_yolo, yolo_tree(tmp_path))
    yolo_tree(
        tmp_path, {name: lines.replace("\n", "\r\n\r\n") + "\r\n" for name, lines in LABELS.items()}
    )
    assert read(affectnet_yolo, tmp_path) == wanted
    (tmp_path / "valid/labels/ffhq_7.txt").write_text("\n" * (1 << 20) + "4 0.5 0.5 1 1\n")
    with pytest.raises(DataError, match=r"(?s)too large.*ffhq_7\.txt"):
        read(affectnet_yolo, tmp_path)


@given(shares=st.lists(st.tuples(st.integers(0, 7), *[st.integers(0, 1000)] * 4), max_size=6))
def test_every_line_is_one_item_and_crops_lie_in_their_boxes(tmp_path_factory, shares):
    lines = "".join(
        f"{identifier} {cx / 1000} {cy / 1000} {w / 1000} {h / 1000}\n"
        for identifier, cx, cy, w, h in shares
    )
    root = yolo_tree(tmp_path_factory.mktemp("yolo"), {"train/a": lines})
    faces, exclusions = read(affectnet_yolo, root)
    assert len(faces) + len(exclusions) == max(1, len(shares))
    assert len({item.sample_id for item in [*faces, *exclusions]}) == len(faces) + len(exclusions)
    for face in faces:
        _, cx, cy, w, h = shares[face.face_id or 0]
        exact = [(cy - h / 2) * 0.06, (cx - w / 2) * 0.08, (cy + h / 2) * 0.06, (cx + w / 2) * 0.08]
        assert face.box is not None and np.allclose(face.box, exact, atol=0.5001)
        height, width = decode_rgb(face.image, "").shape[:2]
        top, left, bottom, right = face.box
        assert (height, width) == (min(bottom, 60) - max(top, 0), min(right, 80) - max(left, 0))


def test_clean_writes_the_faces_that_were_announced(tmp_path):
    yolo_tree(tmp_path / "raw/yolo")
    descriptor = write_descriptor(
        tmp_path / "sources",
        scanned(
            Descriptor("yolo", "affectnet_yolo", False), tmp_path / "raw", "affectnet_yolo", "yolo"
        ),
    )
    summary = clean(descriptor, tmp_path / "yolo.arrow", clean_options(), tmp_path / "raw")
    assert (summary.faces, sum(summary.exclusions.values())) == (6, 3)


def test_list_of_classes_beside_the_label_files_is_left_alone(tmp_path):
    root = yolo_tree(tmp_path)
    (root / "train/labels/classes.txt").write_text("Anger\nContempt\n")
    assert len(read(affectnet_yolo, root)[0]) == 6


def test_shares_beyond_the_edge_by_rounding_are_taken_for_the_edge_and_counted(tmp_path):
    root = yolo_tree(
        tmp_path, {"train/a": "0 0.5 0.5 1.0000005 1.0009\n", "train/b": "0 0.5 0.5 0.5 0.5\n"}
    )
    faces, _ = read(affectnet_yolo, root)
    assert [bool(face.note) for face in faces] == [True, False]
    assert faces[0].box == (0, 0, 60, 80)
    with pytest.raises(DataError, match=r"(?s)out of range.*a\.txt, line 1"):
        read(affectnet_yolo, yolo_tree(tmp_path / "worse", {"train/a": "0 0.5 0.5 1.002 1\n"}))
