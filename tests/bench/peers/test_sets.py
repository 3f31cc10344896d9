"""Faces and labels of the peers benchmark: twins, votes, corrupted ones, and the second domain."""

from pathlib import Path

import numpy as np
import pytest

from bench.peers.sets import CELLS, Faces, corrupted, domain, of_faces, read_faces
from fer_core.base.errors import DataError
from fer_core.pixels.opencv import cv2

VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def pixels(grey: int) -> str:
    return " ".join([str(grey)] * 2304)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "fer2013.csv"
    rows = [
        (0, 10, "PublicTest"),
        (3, 10, "Training"),
        (3, 20, "Training"),
        (4, 30, "PublicTest"),
        (5, 20, "PrivateTest"),
    ]
    file.write_text(
        "emotion,pixels,Usage\n"
        + "".join(f"{label},{pixels(grey)},{usage}\n" for label, grey, usage in rows)
    )
    return file


def test_test_rows_with_the_pixels_of_a_training_row_are_known(table: Path) -> None:
    faces = read_faces(table, "PublicTest")
    assert faces.labels.tolist() == [0, 4] and faces.seen.tolist() == [True, False]
    assert [int(image[0, 0, 0]) for image in faces.images] == [10, 30]
    assert faces.majority is None


def test_votes_beside_the_table_are_joined_by_order(table: Path) -> None:
    rows = ["PublicTest,a.png,0,0,0,0,0,9,1,0,0,0", "Training,b.png,9,0,0,0,0,0,0,0,0,0"]
    rows += ["Training,c.png,9,0,0,0,0,0,0,0,0,0", "PublicTest,d.png,0,0,0,0,0,0,0,9,0,0"]
    rows += ["PrivateTest,e.png,9,0,0,0,0,0,0,0,0,0"]
    votes = table.with_name("fer2013new.csv")
    votes.write_text("\n".join([VOTES, *rows]) + "\n")
    faces = read_faces(table.parent, "PublicTest")
    assert faces.majority is not None
    assert faces.majority.tolist() == [1, -1]  # disgust; contempt is none of the seven
    votes.write_text("\n".join([VOTES, *rows[:4]]) + "\n")
    with pytest.raises(DataError, match="not as many rows"):
        read_faces(table.parent, "PublicTest")


def test_a_usage_without_rows_and_an_absent_table_are_named(table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no rows of Public\."):
        read_faces(table, "Public")
    with pytest.raises(DataError, match=r"(?s)nothing at this path.*none"):
        read_faces(tmp_path / "none" / "fer2013.csv", "PublicTest")


def test_corrupted_faces_come_cell_by_cell_and_are_the_same_again() -> None:
    images = [np.full((48, 48, 3), 40 + i, dtype=np.uint8) for i in range(14)]
    faces = Faces(images, np.arange(14) % 7, np.zeros(14, bool))
    hard, chosen = corrupted(faces, 7, 1, Path("none"))
    made = list(hard.images("square"))
    assert len(chosen) == 7 and sorted(hard.labels.tolist()) == list(range(7))
    assert len(made) == 7 * len(CELLS)
    again, _ = corrupted(faces, 7, 1, Path("none"))
    other, _ = corrupted(faces, 7, 2, Path("none"))
    assert hard.made_from == again.made_from != other.made_from
    first = [image for image in again.images("square") if image is not None]
    assert all(np.array_equal(a, b) for a, b in zip(made, first, strict=True))
    fewer = Faces(images[1:], faces.labels, faces.seen)
    assert of_faces(faces, Path("none")).made_from != of_faces(fewer, Path("none")).made_from


def test_rows_of_one_picture_are_one_cluster() -> None:
    images = [np.full((48, 48, 3), grey, dtype=np.uint8) for grey in (40, 41, 40, 42)]
    faces = Faces(images, np.arange(4), np.zeros(4, bool))
    assert of_faces(faces, Path("none")).clusters.tolist() == [0, 1, 0, 2]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (folder := tmp_path / "expressions/images").mkdir(parents=True)
    labels = {"A_B_0001": "HAPPINESS", "A_B_0002": "anger", "C_0001": "contempt", "D": "Fear"}
    for i, name in enumerate(labels):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((60, 50, 3), 40 * i, dtype=np.uint8))
    lines = [f"1,{name}.png,{label}\n" for name, label in labels.items()]
    (folder.parent / "legend.csv").write_text("user.id,image,emotion\n" + "".join(lines))
    return folder.parent


def test_the_second_domain_leaves_out_contempt_and_knows_persons_by_file_names(
    pictures: Path,
) -> None:
    found = domain(pictures, Path("none"))
    assert set(found) == {"domain", "end_to_end"}
    assert found["domain"].labels.tolist() == [3, 0, 2]
    assert found["domain"].clusters.tolist() == [0, 0, 1]
    shapes = [image.shape for image in found["domain"].images("square") if image is not None]
    assert shapes == [(60, 50, 3)] * 3
    assert found["domain"].made_from != found["end_to_end"].made_from


def test_a_second_domain_that_is_absent_or_empty_is_named(pictures: Path) -> None:
    with pytest.raises(DataError, match="nothing at this path"):
        domain(pictures / "none", Path("none"))
    (pictures / "legend.csv").write_text("user.id,image,emotion\n1,C_0001.png,contempt\n")
    with pytest.raises(DataError, match="no face of the seven classes"):
        domain(pictures, Path("none"))
    (pictures / "legend.csv").write_text("user.id,image,emotion\n1,gone.png,fear\n")
    with pytest.raises(DataError, match=r"gone\.png"):
        domain(pictures, Path("none"))
