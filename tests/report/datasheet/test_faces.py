"""The rows of the data sheet: what is added to the manifest's, and what is refused."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.store.store import FaceStore
from fer_core.report.datasheet.faces import datasheet_faces, draw_numbers
from tests.report.tiny_datasheet import ROWS, SCRIPT, manifest, write_stores


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FaceStore]:
    clean = tmp_path_factory.mktemp("clean")
    write_stores(clean)
    return open_stores(clean, ["a", "b"])


def test_rows_get_class_flag_and_twin(stores: dict[str, FaceStore]) -> None:
    faces = datasheet_faces(manifest(), stores, 1337).set_index("sample_id", drop=False)
    assert faces["class"].loc[["a/0", "a/1", SCRIPT, "b/3"]].tolist() == [
        "Angry",
        "Happy",
        "Fear",
        "unlabelled",
    ]
    assert faces["flag"].loc[["a/3", "a/4", "a/5", "b/1"]].tolist() == ["", "blank", "text", ""]
    names = {
        key: faces["sample_id"].iloc[twin] if twin >= 0 else None
        for key, twin in zip(faces["sample_id"], faces["twin"], strict=True)
    }
    assert names == {row[0]: row[6] or None for row in ROWS}


def test_flags_follow_the_store_row_and_not_the_place_in_the_manifest(
    stores: dict[str, FaceStore],
) -> None:
    faces = datasheet_faces(manifest()[::-1], stores, 1337).set_index("sample_id")
    assert faces.loc["a/4", "flag"] == "blank" and faces.loc["a/5", "flag"] == "text"


def test_the_number_to_draw_by_is_a_hash_of_seed_and_name() -> None:
    """The first 16 digits of `printf SEED:NAME | sha256sum`."""
    assert draw_numbers(1337, ["a/0"]).tolist() == [0xBCAA2EEF1C6E7A3A]
    assert draw_numbers(7, ["b", "a/0"])[1] == 0x8FA1BD4CD4B0603C
    assert draw_numbers(7, []).dtype == np.uint64


def change(key: str, /, **values: Any) -> pd.DataFrame:
    frame = manifest()
    row = frame.index[frame["sample_id"] == key]
    for column, value in values.items():
        frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (change("a/3", duplicate_of="a/9"), "a/3: duplicate_of.*a/9"),
        (change("a/0", label=-1), "a/0: label.*-1.*a class, for this row stays"),
        (change("a/0", label=7), "a/0: label.*7.*-1 to 6"),
        (change("a/0", split="valid"), "a/0: split.*valid"),
        (change("a/0", reason="non_face"), "a/0: reason.*non_face.*none, for this row stays"),
        (change("a/3", reason="<odd>"), "a/3: reason.*<odd>.*twin_in_test"),
        (change("a/1", sample_id="a/0"), "a/0: sample_id.*each once"),
        (change("a/1", min_side=0), "a/1: min_side.*0"),
        (change("a/1", source="c"), "a/1: source.*found: c.*expected: a, b"),
        (
            change("a/1", sample_id="a/x"),
            r"made from another face store.*a\.arrow, row 1.*found: a/1.*expected: a/x",
        ),
        (
            change("a/1", row=0),
            r"other rows than this face store.*a\.arrow.*found: 6 rows.*each of the 6 faces once",
        ),
        (
            manifest()[1:],
            r"other rows than this face store.*a\.arrow.*found: 5 rows.*each of the 6 faces once",
        ),
    ],
)
def test_a_row_that_breaks_the_contract_is_named(
    stores: dict[str, FaceStore], frame: pd.DataFrame, words: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        datasheet_faces(frame, stores, 1337)
    assert re.search(words, str(caught.value), re.DOTALL)
    assert "fer run manifest" in str(caught.value)


def test_the_order_of_sources_is_that_of_the_list(stores: dict[str, FaceStore]) -> None:
    other: dict[str, FaceStore] = {"b": stores["b"], "a": stores["a"]}
    faces = datasheet_faces(manifest(), other, 1337)
    assert faces.sort_values("source", kind="stable")["source"].iloc[0] == "b"
