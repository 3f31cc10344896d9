import csv
import io
import shutil
from collections import Counter
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
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.affectnet import READER as affectnet
from tests.sources.files.test_archives import tarred
from tests.sources.trees import clean_options, put, read, zipped

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
MARKS = ";".join(f"{100 + number}.{number % 100:02}" for number in range(136))  # 68 points
# photo, x, y, width, height, landmarks, expression, valence, arousal; photos are 60 rows x 80
# columns
TRAINING = [
    f"689/737db2483489148d.jpg,20,10,30,40,{MARKS},1,0.785714,-0.055556",
    f"392/c4db2f9b7e4b422d.jpg,0,0,80,60,{MARKS},0,-0.017253,0.004313",
    f"468/21772b68dc8c2a11.jpg,5,5,50,50,{MARKS},2,-0.62,0.02",
    f"944/06e9ae8d3b240eb6.jpg,5,5,50,50,{MARKS},3,0.17,0.62",
    f"993/02e06ee5521958b4.JPG,5,5,50,50,{MARKS},4,-0.12,0.8",
    f"979/3675124ee6ca3fbb.png,5,5,50,50,{MARKS},5,-0.71,0.3",
    f"637/94d7d9ba4d3b7c43.jpg,60,40,40,40,{MARKS},6,-0.5,0.55",
    f"10/29a31ebf1567693f.jpg,5,5,50,50,{MARKS},7,-0.6,0.4",
    f"10/1d9a5ae4a2a5ba8f.jpg,5,5,50,50,{MARKS},8,-2,-2",
    "11/0a1b2c3d4e5f6071.jpg,NULL,NULL,NULL,NULL,NULL,9,-2,-2",
    f"11/0a1b2c3d4e5f6072.jpg,-3,7,12,11,{MARKS},10,-2,-2",
]
VALIDATION = [
    f"13/aa0b2c3d4e5f6071.jpg,5,5,50,50,{MARKS},6,-0.4,0.7",
    f"13/aa0b2c3d4e5f6072.jpg,5,5,50,50,{MARKS},6,-0.4,0.7",
    f"13/aa0b2c3d4e5f6073.jpg,5,5,50,50,{MARKS},7,-0.4,0.7",
]
LISTS = "Manually_Annotated_file_lists"
IMAGES = "Manually_Annotated_Images"


def affectnet_tree(
    root: Path, training=TRAINING, validation=VALIDATION, lists=LISTS, images=IMAGES, header=HEADER
) -> Path:
    """Both lists, and a photo for each line."""
    (root / lists).mkdir(parents=True, exist_ok=True)
    (root / lists / "training.csv").write_text("\n".join([HEADER, *training]) + "\n")
    (root / lists / "validation.csv").write_text(
        "\n".join([*([header] if header else []), *validation]) + "\n"
    )
    for seed, line in enumerate([*training, *validation]):
        put(root / images / line.split(",")[0], seed, height=60, width=80)
    return root


def test_ids_are_read_in_affectnets_order_and_validation_is_the_test_split(tmp_path):
    faces, exclusions = read(affectnet, affectnet_tree(tmp_path), "affectnet")
    assert [(face.sample_id, CLASSES[face.label], face.split, face.usage) for face in faces] == [
        ("affectnet/689/737db2483489148d.jpg", "Happy", "train", "training"),
        ("affectnet/392/c4db2f9b7e4b422d.jpg", "Neutral", "train", "training"),
        ("affectnet/468/21772b68dc8c2a11.jpg", "Sad", "train", "training"),
        ("affectnet/944/06e9ae8d3b240eb6.jpg", "Surprise", "train", "training"),
        ("affectnet/993/02e06ee5521958b4.JPG", "Fear", "train", "training"),
        ("affectnet/979/3675124ee6ca3fbb.png", "Disgust", "train", "training"),
        ("affectnet/637/94d7d9ba4d3b7c43.jpg", "Angry", "train", "training"),
        ("affectnet/13/aa0b2c3d4e5f6071.jpg", "Angry", "test", "validation"),
        ("affectnet/13/aa0b2c3d4e5f6072.jpg", "Angry", "test", "validation"),
    ]
    assert [(item.sample_id, item.reason, item.split, item.word) for item in exclusions] == [
        ("affectnet/10/29a31ebf1567693f.jpg", "AffectNet: contempt", "train", "contempt"),
        (
            "affectnet/10/1d9a5ae4a2a5ba8f.jpg",
            "AffectNet: none of the expressions",
            "train",
            "none",
        ),
        (
            "affectnet/11/0a1b2c3d4e5f6071.jpg",
            "AffectNet: the annotator was uncertain",
            "train",
            "uncertain",
        ),
        ("affectnet/11/0a1b2c3d4e5f6072.jpg", "AffectNet: no face", "train", "no face"),
        ("affectnet/13/aa0b2c3d4e5f6073.jpg", "AffectNet: contempt", "test", "contempt"),
    ]
    assert affectnet.announce(open_tree(tmp_path), clean_options()) == {
        "train": dict.fromkeys([*CLASSES, "contempt", "none", "uncertain", "no face"], 1),
        "test": {"Angry": 2, "contempt": 1},
    }


def test_box_is_x_y_width_height_and_each_photo_is_a_group(tmp_path):
    faces, _ = read(affectnet, affectnet_tree(tmp_path), crops={"quality": 100})
    first = faces[0]
    assert (first.orig_image, first.face_id, first.group) == (
        "689/737db2483489148d.jpg",
        None,
        first.sample_id,
    )
    assert first.box == (
        10,
        20,
        50,
        50,
    )  # top, left, bottom, right of x 20, y 10, width 30, height 40
    photo = decode_rgb((tmp_path / IMAGES / first.orig_image).read_bytes(), "")
    crop = decode_rgb(first.image, "")
    assert crop.shape == (40, 30, 3)
    assert np.abs(crop.astype(int) - photo[10:50, 20:50].astype(int)).mean() < 2


def test_box_of_the_whole_photo_gives_the_original_bytes(tmp_path):
    faces, _ = read(affectnet, affectnet_tree(tmp_path))
    whole = faces[1]
    assert whole.image == (tmp_path / IMAGES / "392/c4db2f9b7e4b422d.jpg").read_bytes()
    assert [face.image for face in faces].count(whole.image) == 1


def test_box_over_the_edge_is_clipped_and_noted_and_padding_grows_it(tmp_path):
    faces, _ = read(affectnet, affectnet_tree(tmp_path))
    assert [face.note for face in faces] == [""] * 6 + ["box clipped to the photo", "", ""]
    assert decode_rgb(faces[6].image, "").shape == (20, 20, 3)
    padded, _ = read(affectnet, tmp_path, affectnet={"pad_ratio": 0.2})
    assert decode_rgb(padded[0].image, "").shape == (40 + 8 + 8, 30 + 6 + 6, 3)


@pytest.mark.parametrize(
    "box", ["NULL,NULL,30,30", "80,10,20,20", "-30,10,30,30", "10,10,-20,30", "10,10,0,0"]
)
def test_face_without_a_box_in_the_photo_is_excluded_under_its_class(tmp_path, box):
    affectnet_tree(tmp_path, [f"1/a.jpg,{box},{MARKS},3,0,0", TRAINING[0]])
    faces, exclusions = read(affectnet, tmp_path)
    assert len(faces) == 3
    reason = (
        "AffectNet: no face box"
        if "NULL" in box
        else "AffectNet: box without area inside the photo"
    )
    assert [(item.sample_id, item.reason, item.word) for item in exclusions[:1]] == [
        ("set/1/a.jpg", reason, "Surprise")
    ]


@pytest.mark.parametrize("header", [HEADER, ""])
def test_header_of_a_list_may_be_missing(tmp_path, header):
    affectnet_tree(tmp_path, header=header)
    assert affectnet.announce(open_tree(tmp_path), clean_options())["test"] == {
        "Angry": 2,
        "contempt": 1,
    }


def test_landmarks_of_any_length_below_the_limit_and_quoted_columns_are_read(tmp_path):
    long = ";".join(["1234.56"] * 8000)  # 63,999 bytes
    affectnet_tree(tmp_path)
    (tmp_path / LISTS / "training.csv").write_text(f'"1/a, b.jpg","5",5,"50",50,"{long}","4",0,0\n')
    put(tmp_path / IMAGES / "1/a, b.jpg", height=60, width=80)
    faces, _ = read(affectnet, tmp_path)
    assert (faces[0].sample_id, CLASSES[faces[0].label]) == ("set/1/a, b.jpg", "Fear")


# places of lists and photos, as the official archives and public code have them
PLACES = [
    ("", IMAGES),
    ("Manually_Annotated", f"Manually_Annotated/{IMAGES}"),
    (f"Manually_Annotated/{LISTS}", f"Manually_Annotated/{IMAGES}"),
    (LISTS, f"Manually_Annotated/{IMAGES}"),
    (LISTS, f"{IMAGES}/{IMAGES}"),
    (f"{LISTS}/{LISTS}", f"Manually_Annotated_compressed/{IMAGES}"),
]


@pytest.mark.parametrize(("lists", "images"), PLACES)
def test_lists_and_photos_are_found_in_every_known_place(tmp_path, lists, images):
    root = affectnet_tree(tmp_path, lists=lists, images=images)
    assert affectnet.recognise(open_tree(root))
    assert len(read(affectnet, root)[0]) == 9
    fingerprint = open_tree(root).fingerprint(affectnet.files(open_tree(root)))
    assert fingerprint.files == 2 + 14


def test_lists_of_other_makers_are_not_taken_for_affectnet(tmp_path):
    (tmp_path / "training.csv").write_text("left_eye_center_x,Image\n66.03,238 236\n")
    assert not affectnet.recognise(open_tree(tmp_path))
    shutil.copytree(affectnet_tree(tmp_path / "full") / LISTS, tmp_path / "lists only" / LISTS)
    assert affectnet.recognise(open_tree(tmp_path / "lists only"))


@pytest.mark.parametrize("form", ["zip", "tar"])
@pytest.mark.parametrize("top", ["", IMAGES + "/"])
def test_photos_in_an_archive_are_read_in_place(tmp_path, form, top):
    root = affectnet_tree(tmp_path)
    wanted = read(affectnet, root)
    members = {
        f"{top}{path.relative_to(root / IMAGES)}": path.read_bytes()
        for path in (root / IMAGES).glob("*/*")
    }
    (zipped if form == "zip" else tarred)(root / f"{IMAGES}.{form}", members)
    shutil.rmtree(root / IMAGES)
    assert read(affectnet, root) == wanted
    assert open_tree(root).fingerprint(affectnet.files(open_tree(root))).files == 3


def test_lists_in_their_archive_are_read_in_place(tmp_path):
    root = affectnet_tree(tmp_path)
    wanted = read(affectnet, root)
    zipped(
        root / f"{LISTS}.zip",
        {f"{LISTS}/{path.name}": path.read_bytes() for path in (root / LISTS).iterdir()},
    )
    shutil.rmtree(root / LISTS)
    assert read(affectnet, root) == wanted


def test_undecodable_photo_excludes_its_face_by_name(tmp_path):
    affectnet_tree(tmp_path)
    path = tmp_path / IMAGES / "468/21772b68dc8c2a11.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    faces, exclusions = read(affectnet, tmp_path)
    assert len(faces) == 8
    assert [(item.sample_id, item.word) for item in exclusions if item.reason == UNDECODABLE] == [
        ("set/468/21772b68dc8c2a11.jpg", "Sad")
    ]
    assert str(tmp_path) not in next(
        item.detail for item in exclusions if item.reason == UNDECODABLE
    )


def test_missing_photos_are_an_error_but_those_of_no_face_are_not_needed(tmp_path):
    affectnet_tree(tmp_path)
    for name in ("10/29a31ebf1567693f.jpg", "10/1d9a5ae4a2a5ba8f.jpg", "11/0a1b2c3d4e5f6072.jpg"):
        (tmp_path / IMAGES / name).unlink()
    assert len(read(affectnet, tmp_path)[0]) == 9
    (tmp_path / IMAGES / "468/21772b68dc8c2a11.jpg").unlink()
    (tmp_path / IMAGES / "13/aa0b2c3d4e5f6071.jpg").unlink()
    with pytest.raises(
        DataError,
        match=r"(?s)2 of 9 listed photos are missing.*training\.csv, line "
        r"4.*468/21772b68dc8c2a11\.jpg.*\.rar",
    ):
        read(affectnet, tmp_path)


@pytest.mark.parametrize("usage", ["training", "validation"])
def test_missing_list_is_an_error(tmp_path, usage):
    (affectnet_tree(tmp_path) / LISTS / f"{usage}.csv").unlink()
    with pytest.raises(
        DataError,
        match=rf"(?s)AffectNet {usage} list is missing.*Manually_Annotated_file_lists/{usage}\.csv",
    ):
        read(affectnet, tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"1/a.jpg,5,5,50,50,{MARKS},11,0,0", "Unknown expression id '11'"),
        (f"1/a.jpg,5,5,50,50,{MARKS},,0,0", "Unknown expression id ''"),
        (f"1/a.jpg,5,5,50,50,{MARKS},01,0,0", "Unknown expression id '01'"),
        (f"1/a.jpg,5,5,50,50,{MARKS},Happy,0,0", "Unknown expression id 'Happy'"),
        (f"1/a.jpg,5,5,50,50,{MARKS},1,0", "number of columns"),
        (f"1/a.jpg,5,5,50,50,{MARKS},1,0,0,0", "number of columns"),
        (f"1/a.jpg,5,5,50,x,{MARKS},1,0,0", "face box is none"),
        (f"1/a.jpg,5,5,50,,{MARKS},1,0,0", "face box is none"),
        (f"1/a.jpg,5,5,50,1e2,{MARKS},1,0,0", "face box is none"),
        (f"1/a.jpg,5,5,50,{'9' * 5000},{MARKS},1,0,0", "face box is none"),
        (f"1/a.jpg,5,5,50,1000001,{MARKS},1,0,0", "face box is out of range"),
        (f"../a.jpg,5,5,50,50,{MARKS},1,0,0", "outside its data set"),
        (f"/a.jpg,5,5,50,50,{MARKS},1,0,0", "outside its data set"),
        (
            f"{TRAINING[0].split(',')[0]},5,5,50,50,{MARKS},1,0,0",
            r"listed twice, first in (training\.csv, )?line 2",
        ),
        (f'1/a.jpg,5,5,50,50,"{MARKS},1,0,0', "not CSV"),
        (HEADER, "Unknown expression id 'expression'"),
    ],
)
@pytest.mark.parametrize("usage", ["training", "validation"])
def test_faulty_line_is_named(tmp_path, usage, line, problem):
    affectnet_tree(tmp_path, TRAINING[:1], VALIDATION[:1])
    with (tmp_path / LISTS / f"{usage}.csv").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DataError, match=rf"(?s){problem}.*{usage}\.csv, line 3"):
        affectnet.announce(open_tree(tmp_path), clean_options())


def test_other_header_is_refused(tmp_path):
    affectnet_tree(tmp_path, header=HEADER.replace("face_x,face_y", "face_y,face_x"))
    with pytest.raises(
        DataError, match=r"(?s)another header.*validation\.csv, line 1.*face_x,face_y"
    ):
        read(affectnet, tmp_path)


@pytest.mark.parametrize("others", [0, 500])
def test_list_of_the_official_size_with_other_counts_is_refused(tmp_path, others):
    def validation(counts: list[int]) -> None:
        ids = [
            identifier for identifier, count in enumerate([*counts, others]) for _ in range(count)
        ]
        lines = [f"{number}.jpg,0,0,1,1,,{identifier},0,0" for number, identifier in enumerate(ids)]
        (tmp_path / LISTS / "validation.csv").write_text("\n".join(lines) + "\n")

    affectnet_tree(tmp_path)
    validation([500] * 7)
    assert affectnet.announce(open_tree(tmp_path), clean_options())["test"]["Fear"] == 500
    validation([500, 501, 499, 500, 500, 500, 500])
    with pytest.raises(
        DataError,
        match=r"(?s)label order.*AffectNet validation.*validation\.csv.*Happy 501, Sad 499",
    ):
        affectnet.announce(open_tree(tmp_path), clean_options())


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 10), st.tuples(*[st.integers(-90, 170)] * 4)),
        min_size=1,
        max_size=12,
    )
)
def test_every_line_is_one_item_and_counts_are_those_of_the_csv(tmp_path_factory, rows):
    lines = [
        f"{number}.png,{','.join(map(str, box))},1;2,{expression},0,0"
        for number, (expression, box) in enumerate(rows)
    ]
    root = affectnet_tree(tmp_path_factory.mktemp("affectnet"), lines, VALIDATION[:1])
    faces, exclusions = read(affectnet, root)
    names = ["Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Angry"]
    wanted = Counter(
        int(row["expression"]) for row in csv.DictReader(io.StringIO("\n".join([HEADER, *lines])))
    )
    announced = affectnet.announce(open_tree(root), clean_options())["train"]
    assert {name: announced.get(name, 0) for name in names} == {
        name: wanted[identifier] for identifier, name in enumerate(names)
    }
    assert len(faces) + len(exclusions) == len(rows) + 1
    inside = [
        e < 7 and max(x, 0) < min(x + w, 80) and max(y, 0) < min(y + h, 60)
        for e, (x, y, w, h) in rows
    ]
    assert len(faces) == sum(inside) + 1


def test_clean_writes_the_faces_that_were_announced(tmp_path):
    affectnet_tree(tmp_path / "raw/affectnet")
    descriptor = write_descriptor(
        tmp_path / "sources",
        scanned(
            Descriptor("affectnet", "affectnet", False), tmp_path / "raw", "affectnet", "affectnet"
        ),
    )
    summary = clean(descriptor, tmp_path / "affectnet.arrow", clean_options(), tmp_path / "raw")
    assert (summary.faces, sum(summary.exclusions.values()), summary.notes) == (
        9,
        5,
        {"box clipped to the photo": 1},
    )
