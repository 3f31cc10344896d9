import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_cli.predict.drawing import annotated, annotated_names, place_label
from fer_cli.predict.output import Answer
from fer_core.base.errors import DataError
from fer_core.predict.detection import FaceBox
from tests.exports import Exported, exported
from tests.fer_cli.predicting import folder, run

__all__ = ["exported", "folder"]


def test_copies_are_drawn_below_the_folder_and_no_image_is_touched(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    done = run(exported, folder, "--annotate", tmp_path / "drawn")
    assert done.exception is None, done.exception
    assert sorted(
        file.relative_to(tmp_path / "drawn").as_posix()
        for file in (tmp_path / "drawn").rglob("*.png")
    ) == [
        "a.png",
        "b.png",
        "more/c.png",
    ]
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before
    for inside in (folder, folder / "more/drawn"):
        error = run(exported, folder, "--annotate", inside).exception
        assert isinstance(error, DataError) and "among the pictures" in str(error)
    error = run(exported, folder / "a.png", "--annotate", folder).exception
    assert isinstance(error, DataError) and "overwrite" in str(error)
    assert {file: file.read_bytes() for file in folder.rglob("*.*")} == before


def test_copies_of_one_name_keep_their_endings(tmp_path: Path) -> None:
    images = [tmp_path / name for name in ("a.png", "a.jpg", "b.jpg")]
    found = annotated_names(images, tmp_path / "drawn")
    assert [name.name for name in found.values()] == ["a.png.png", "a.jpg.png", "b.png"]
    images = [tmp_path / name for name in ("a.png", "a.jpg", "a.jpg.bmp")]
    with pytest.raises(DataError, match="one annotated copy"):
        annotated_names(images, tmp_path / "drawn")


def test_copies_in_different_folders_do_not_meet(tmp_path: Path) -> None:
    names = annotated_names(
        [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"], tmp_path / "drawn"
    )
    assert len(set(names.values())) == 2


def test_an_image_given_twice_has_one_copy(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    twice = run(
        exported,
        folder / "a.png",
        folder / "more" / ".." / "a.png",
        "--annotate",
        tmp_path / "drawn",
        "--format",
        "json",
    )
    assert twice.exception is None and len(json.loads(twice.stdout)) == 2
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["a.png"]


def test_nothing_that_exists_is_overwritten_by_copies(
    exported: Exported, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "b.png").write_bytes(b"of somebody")
    error = run(exported, folder, "--annotate", tmp_path / "drawn").exception
    assert isinstance(error, DataError) and "b.png" in str(error)
    assert [file.name for file in (tmp_path / "drawn").iterdir()] == ["b.png"], (
        "refused before anything is written"
    )
    assert (tmp_path / "drawn" / "b.png").read_bytes() == b"of somebody"
    for inside in ("", "below"):
        error = run(exported, folder, "--annotate", tmp_path / "drawn" / "b.png" / inside).exception
        assert isinstance(error, DataError) and "give a folder" in str(error)


def answer(label: str | None, box: FaceBox | None) -> Answer:
    return Answer("photo.png", 0, box, label, 0.8, [("Happy", 0.8)], {"Happy": 0.8})


def test_box_is_drawn_where_the_face_is_and_unsure_ones_look_otherwise() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    box = FaceBox(100, 120, 80, 90, 0.9)
    sure, unsure = annotated(image, [answer("Happy", box)]), annotated(image, [answer(None, box)])
    assert (image == 0).all(), "the image itself was drawn on"
    for drawn in (sure, unsure):
        rows, columns = np.nonzero(drawn.any(axis=2))
        assert rows.max() == 210 and columns.min() == 100
        assert not drawn[130:200, 110:170].any(), "the face is covered"
    assert (sure[210, 150] != unsure[210, 150]).any()


def test_label_stays_inside_the_image() -> None:
    drawn = annotated(
        np.zeros((200, 200, 3), np.uint8), [answer("Happy", FaceBox(190, 0, 30, 30, 0.9))]
    )
    assert (drawn > 180).all(axis=2).sum() > 20, "white letters"
    assert annotated(np.zeros((40, 50, 3), np.uint8), [answer("Happy", None)]).shape == (
        160,
        200,
        3,
    )


def _letters(drawn: np.ndarray) -> int:
    """Height in pixels of what is white."""
    rows = np.nonzero((drawn > 180).all(axis=2).any(axis=1))[0]
    return int(rows.max() - rows.min() + 1)


def test_letters_follow_the_width_of_the_box() -> None:
    heights = [
        _letters(
            annotated(
                np.zeros((1200, 1600, 3), np.uint8), [answer("Happy", FaceBox(500, 300, w, w, 1))]
            )
        )
        for w in (60, 240, 480)
    ]
    assert heights[0] < heights[1] < heights[2]
    assert heights[0] >= 8, "legible"


def test_labels_of_a_row_of_faces_cover_neither_faces_nor_each_other() -> None:
    boxes = [FaceBox(40 + 62 * index, 100, 60, 70, 1) for index in range(5)] + [
        FaceBox(40 + 62 * index, 30, 60, 69, 1) for index in range(5)
    ]
    image = np.zeros((400, 400, 3), np.uint8)
    drawn = annotated(image, [answer("Happy", box) for box in boxes])
    for box in boxes:
        inside = drawn[
            box.top + 3 : box.top + box.height - 3, box.left + 3 : box.left + box.width - 3
        ]
        assert not inside.any(), box


@pytest.mark.parametrize(
    ("face", "taken", "expected"),
    [
        ((50, 50, 90, 90), [], (50, 40)),
        ((50, 5, 90, 45), [], (50, 46)),
        ((180, 50, 230, 90), [], (140, 40)),
        ((50, 50, 90, 90), [(0, 30, 200, 50)], (50, 91)),
        ((50, 50, 90, 90), [(0, 30, 200, 50), (0, 90, 200, 120)], (91, 50)),
    ],
    ids=[
        "above",
        "below at the top edge",
        "moved in at the right edge",
        "below another",
        "beside between two",
    ],
)
def test_label_goes_where_it_covers_least(
    face: tuple[int, int, int, int],
    taken: list[tuple[int, int, int, int]],
    expected: tuple[int, int],
) -> None:
    assert place_label((60, 10), face, [face, *taken], (200, 200)) == expected


def test_numbers_are_drawn_where_there_are_several_faces() -> None:
    image, one = np.zeros((300, 400, 3), np.uint8), answer("Happy", FaceBox(20, 120, 80, 90, 0.9))
    other = answer("Happy", FaceBox(220, 120, 80, 90, 0.9))
    both = annotated(image, [replace(one, face=1), replace(other, face=2)])
    assert (annotated(image, [one])[:, :200] != both[:, :200]).any(), "a number more"
    left, right = both[90:120, 20:110], both[90:120, 220:310]
    assert (left != right).any(), "another number"
