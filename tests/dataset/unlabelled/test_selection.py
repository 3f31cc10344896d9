"""Faces without labels: none that shows what a held-out or train row shows, each reason told."""

from pathlib import Path

import pandas as pd
import pytest

from fer_core.base.errors import DataError
from fer_core.base.labels import SELF_LABELLED
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.store.store import StoreRow
from fer_core.dataset.unlabelled.selection import select_unlabelled
from tests.dataset.assembly.built import build_manifest
from tests.dataset.assembly.test_manifest import VALUES
from tests.dataset.tiny_stores import face, many, store


def chosen(folder: Path, free: list[StoreRow], **changes: object) -> pd.DataFrame:
    """What is said of each face of `free`, which stands beside 70 train and 14 test rows."""
    store(folder, "known", [*many("known", "train", 70), *many("known", "test", 14, 500)])
    store(folder, "free", free)
    values = {"sources": ["known"]} | VALUES | changes
    options = ManifestOptions.model_validate(values)
    manifest = build_manifest(open_stores(folder, ["known"]), options, 1337)
    stores = open_stores(folder, ["known", "free"])
    return select_unlabelled(manifest, stores, ["free"], options).set_index("sample_id")


def unknown(name: str, number: int, **columns: object) -> StoreRow:
    return face(f"free/{name}", "none", -1, number, **columns)  # type: ignore[arg-type]


def test_each_face_that_may_not_be_learnt_from_says_why(tmp_path: Path) -> None:
    train, test = 10_000, 10_500  # pictures of the first train and the first test row
    rows = [
        unknown("a_new", 1),
        unknown("b_again", 1, brighter=2),
        unknown("c_of_train", train, group="clip1"),
        unknown("d_of_test", test, brighter=1, group="clip2"),
        unknown("e_same_clip", 2, group="clip2"),
        unknown("f_blank", 3, flag="blank"),
        unknown("g_same_clip_as_train", 4, group="clip1"),
        face("free/h_labelled", "train", 3, 5),
    ]
    found = chosen(tmp_path, rows, val_fraction=0.0, calib_fraction=0.0)
    assert found["reason"].to_dict() == {
        "free/a_new": "",
        "free/b_again": "repeated",
        "free/c_of_train": "twin_in_train",
        "free/d_of_test": "twin_in_held_out",
        "free/e_same_clip": "group_in_held_out",
        "free/f_blank": "non_face",
        "free/g_same_clip_as_train": "",
    }
    assert set(found["split"]) == {"train"} and set(found["usage"]) == {SELF_LABELLED}


def test_a_person_of_a_held_out_face_of_the_same_data_set_is_held_out(tmp_path: Path) -> None:
    """A data set that brings labels for some pictures: a person's others teach nobody."""
    store(tmp_path, "known", many("known", "train", 70))
    rows = [
        face("both/test", "test", 3, 20_000, group="ann"),
        face("both/train", "train", 3, 20_001, group="bob"),
        face("both/ann_too", "none", -1, 20_002, group="ann"),
        face("both/bob_too", "none", -1, 20_003, group="bob"),
    ]
    store(tmp_path, "both", rows)
    values = {"sources": ["known", "both"]} | VALUES | {"val_fraction": 0.0, "calib_fraction": 0.0}
    options = ManifestOptions.model_validate(values)
    stores = open_stores(tmp_path, ["known", "both"])
    manifest = build_manifest(stores, options, 1337)
    found = select_unlabelled(manifest, stores, ["both"], options).set_index("sample_id")
    assert found["reason"].to_dict() == {
        "both/ann_too": "group_in_held_out",
        "both/bob_too": "",
    }


def test_rows_that_were_carved_into_val_or_calib_are_held_out_too(tmp_path: Path) -> None:
    rows = [unknown(f"{number:02}", 10_000 + number) for number in range(70)]
    reasons = chosen(tmp_path, rows)["reason"].value_counts().to_dict()
    assert reasons == {"twin_in_train": 56, "twin_in_held_out": 14}


def test_the_first_of_equal_faces_stays_though_one_before_it_is_blank(tmp_path: Path) -> None:
    rows = [unknown("a", 1, flag="blank"), unknown("b", 1), unknown("c", 1)]
    assert chosen(tmp_path, rows)["reason"].tolist() == ["non_face", "", "repeated"]
    kept = chosen(tmp_path, rows, non_faces="keep")["reason"].tolist()
    assert kept == ["", "repeated", "repeated"]


def test_twins_that_the_manifest_dropped_hold_nothing_back(tmp_path: Path) -> None:
    """A row that is in no split is seen by nobody."""
    store(tmp_path, "known", [*many("known", "train", 70), face("known/z", "none", 0, 77)])
    store(tmp_path, "free", [unknown("a", 77)])
    options = ManifestOptions.model_validate({"sources": ["known"]} | VALUES)
    manifest = build_manifest(open_stores(tmp_path, ["known"]), options, 1337)
    stores = open_stores(tmp_path, ["known", "free"])
    assert select_unlabelled(manifest, stores, ["free"], options)["reason"].tolist() == [""]


def test_data_sets_without_such_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no face without a label[\s\S]*free[\s\S]*fer data list"):
        chosen(tmp_path, many("free", "train", 3, 900))
