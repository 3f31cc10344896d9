"""Who is shown on a contact sheet, and what a thumbnail is."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore, write_store
from fer_core.pixels.decode import UndecodableImage
from fer_core.pixels.thumbnails import thumbnail_jpeg
from fer_core.report.datasheet.contact_sheets import (
    class_sheets,
    excluded_grids,
    left_out_sheets,
    thumbnails,
    twin_pair,
    twin_sheets,
)
from fer_core.report.datasheet.faces import datasheet_faces, draw_numbers
from tests.report.tiny_datasheet import manifest, write_stores


def faces_of(rows: list[tuple[str, str, str]], seed: int = 1337) -> pd.DataFrame:
    """Happy faces by sample_id, source and split."""
    ids, sources, splits = (list(column) for column in zip(*rows, strict=True))
    return pd.DataFrame(
        {
            "sample_id": ids,
            "source": pd.Categorical(sources, ["a", "b"], ordered=True),
            "split": pd.Categorical(splits, [*SPLITS, "dropped"], ordered=True),
            "class": "Happy",
            "reason": ["non_face" if split == "dropped" else "" for split in splits],
            "flag": "",
            "twin": np.full(len(rows), -1),
            "draw": draw_numbers(seed, ids),
        }
    )


def shown(faces: pd.DataFrame) -> list[str]:
    """Names on the sheet of the happy ones, in order."""
    (sheet,) = [sheet for sheet in class_sheets(faces) if sheet.key == "Happy"]
    return faces["sample_id"].loc[list(sheet.rows)].tolist()


MANY = [(f"a/{n}", "a", "train") for n in range(300)]


def test_every_class_has_a_sheet_of_its_kept_faces_only() -> None:
    faces = faces_of([*MANY[:5], ("a/x", "a", "dropped")])
    assert [sheet.key for sheet in class_sheets(faces)] == list(CLASSES)
    assert {sheet.key: sheet.total for sheet in class_sheets(faces) if sheet.total} == {"Happy": 5}
    assert "a/x" not in shown(faces)
    assert [(sheet.kind, sheet.key, sheet.total) for sheet in left_out_sheets(faces)] == [
        ("reason", "non_face", 1)
    ]


def test_a_sheet_holds_sixty_four_faces_and_other_seeds_draw_others() -> None:
    first, again, other = (
        shown(faces_of(MANY)),
        shown(faces_of(MANY)),
        shown(faces_of(MANY, seed=7)),
    )
    assert len(first) == len(set(first)) == 64
    assert first == again
    assert 5 < len(set(first) & set(other)) < 40  # about 64 * 64 / 300


def test_a_small_source_and_split_is_seen_beside_a_great_one() -> None:
    rows = [*MANY, ("b/0", "b", "train"), ("b/1", "b", "test"), ("b/2", "b", "test")]
    names = shown(faces_of(rows))
    assert names[-3] == "b/0" and set(names[-2:]) == {"b/1", "b/2"}, (
        "in order of source, then split"
    )
    assert len(names) == 64


def test_great_sources_get_equal_shares() -> None:
    rows = [*MANY, *((f"b/{n}", "b", "train") for n in range(70))]
    assert sum(name.startswith("b/") for name in shown(faces_of(rows))) == 32


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(80)), st.integers(0, 79))
def test_the_order_of_rows_changes_nothing_and_a_face_that_goes_makes_room_for_one(
    order: list[int], gone: int
) -> None:
    rows = [(f"a/{n}", "a", SPLITS[n % 2]) for n in range(80)]
    names = shown(faces_of(rows))
    assert shown(faces_of([rows[place] for place in order])) == names
    left = shown(faces_of([row for place, row in enumerate(rows) if place != gone]))
    assert len(set(names) - set(left)) <= 1


def encoded(picture: np.ndarray, extension: str = ".png") -> bytes:
    return cv2.imencode(extension, picture)[1].tobytes()


def decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_a_thumbnail_is_small_never_enlarged_and_keeps_colour_and_shape() -> None:
    red = np.zeros((100, 200, 3), np.uint8)
    red[..., 2] = 200  # OpenCV's order is BGR
    small = decoded(thumbnail_jpeg(encoded(red), "x", 20_000))
    assert small.shape == (32, 64, 3)
    assert np.abs(small.astype(int) - [0, 0, 200]).max() < 12
    assert decoded(thumbnail_jpeg(encoded(red[:9, :5]), "x", 45)).shape == (9, 5, 3)
    assert decoded(thumbnail_jpeg(encoded(red[:1]), "x", 200)).shape == (1, 64, 3), (
        "a line of pixels stays one"
    )
    assert decoded(thumbnail_jpeg(encoded(red[..., 2]), "x", 20_000)).shape == (32, 64), (
        "grey stays grey"
    )


def test_a_picture_greater_than_on_record_is_refused_by_name() -> None:
    with pytest.raises(UndecodableImage, match=r"a/7.*\n.*48 x 48"):
        thumbnail_jpeg(encoded(np.zeros((48, 48), np.uint8)), "a/7", 48 * 48 - 1)


def test_pairs_show_the_face_because_of_which_one_left(tmp_path: Path) -> None:
    write_stores(tmp_path)
    stores = open_stores(tmp_path, ["a", "b"])
    faces = datasheet_faces(manifest(), stores, 1337)
    sheets = twin_sheets(faces)
    names = faces["sample_id"].tolist()
    assert [(sheet.key, sheet.total, [names[row] for row in sheet.rows]) for sheet in sheets] == [
        ("twin_in_test", 1, ["a/3"]),
        ("duplicate_in_train", 1, ["b/1"]),
        ("kept", 1, ["b/2"]),
    ]
    pictures = thumbnails(faces, stores, sheets)
    assert {names[row] for row in pictures} == {"a/3", "a/2", "b/1", "a/0", "b/2"}
    sources, rows = faces["source"].tolist(), faces["row"].tolist()
    for row, address in pictures.items():
        stored = stores[sources[row]].image(rows[row])
        picture = decoded(base64.b64decode(address.removeprefix("data:image/jpeg;base64,")))
        assert np.abs(picture.astype(int) - decoded(stored)).mean() < 4, names[row]
    twins, repeated, kept = (twin_pair(sheet.rows[0], faces, pictures) for sheet in sheets)
    assert [tile.name for tile in twins.tiles] == ["a/3", "a/2"] and not twins.differs
    assert twins.lines == ("dropped from a (Training)", "because of a, in test")
    assert repeated.lines == ("dropped from b (Training)", "because of a, in train")
    assert [tile.words for tile in repeated.tiles] == ["Fear", "Angry"] and repeated.differs
    assert kept.lines == ("in test of b", "as in a, in test")


def test_excluded_pictures_of_all_stores_stand_under_their_reason(tmp_path: Path) -> None:
    for name, reasons in (("a", {"contempt": 2}), ("b", {"contempt": 1, "no box": 1}), ("c", {})):
        pictures = {
            reason: [{"sample_id": f"{name}/{n}", "jpeg": "QUJD"} for n in range(count)]
            for reason, count in reasons.items()
        }
        write_store(tmp_path / f"{name}.arrow", [], {"excluded_pictures": pictures})
    grids = excluded_grids({name: FaceStore.open(tmp_path / f"{name}.arrow") for name in "abc"})
    assert [(grid.title, len(grid.tiles)) for grid in grids] == [("contempt", 3), ("no box", 1)]
    assert {tile.address for grid in grids for tile in grid.tiles} == {
        "data:image/jpeg;base64,QUJD"
    }
    assert "b/0" in [tile.name for tile in grids[0].tiles]
