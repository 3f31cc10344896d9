"""The numbers of the data sheet, against numbers counted by hand and by other means."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.artifact import Header
from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore
from fer_core.report.datasheet.counts import SIZE_EDGES, count_faces
from fer_core.report.datasheet.faces import datasheet_faces
from tests.report.tiny_datasheet import ODD, manifest, write_stores

NONE = dict.fromkeys(CLASSES, 0)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FaceStore]:
    clean = tmp_path_factory.mktemp("clean")
    write_stores(clean)
    return open_stores(clean, ["a", "b"])


def count(stores: dict[str, FaceStore], frame: pd.DataFrame) -> dict[str, Any]:
    return count_faces(datasheet_faces(frame, stores, 1337), stores, "f" * 64)


def test_everything_is_counted_as_by_hand(stores: dict[str, FaceStore]) -> None:
    assert count(stores, manifest()) == {
        "schema": "datasheet/1",
        "manifest_sha256": "f" * 64,
        "classes": ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"],
        "faces": {"kept": 6, "dropped": 4, "excluded": 52},
        "kept": {
            "a": {
                "train": {**NONE, "Angry": 1},
                "val": {**NONE, "Happy": 1},
                "calib": NONE,
                "test": {**NONE, "Happy": 1, "Sad": 1},
            },
            "b": {
                "train": NONE,
                "val": NONE,
                "calib": {**NONE, "Fear": 1},
                "test": {**NONE, "Happy": 1},
            },
        },
        "dropped": {
            "a": {"unlabelled": 0, "non_face": 1, "twin_in_test": 1, "duplicate_in_train": 0},
            "b": {"unlabelled": 1, "non_face": 0, "twin_in_test": 0, "duplicate_in_train": 1},
        },
        "excluded": {"a": {}, "b": {ODD: 1, "undecodable image": 51}},
        "flagged": {
            "a": {"blank": {"kept": 0, "dropped": 1}, "text": {"kept": 1, "dropped": 0}},
            "b": {},
        },
        "sizes": {
            "edges": [32, 45, 64, 91, 128],
            "sources": {
                "a": {"bins": [1, 2, 1, 0], "smallest": 44, "median": 54.0, "greatest": 64},
                "b": {"bins": [0, 0, 1, 1], "smallest": 90, "median": 95.0, "greatest": 100},
            },
        },
        "twins": {
            "dropped": {
                "twin_in_test": {"faces": 1, "other_class": 0, "other_source": 0},
                "duplicate_in_train": {"faces": 1, "other_class": 1, "other_source": 1},
            },
            "kept": {"test": {"faces": 1, "other_class": 0, "other_source": 1}},
            "because_of": {"a": {"a": 1, "b": 0}, "b": {"a": 1, "b": 0}},
        },
    }


def test_one_row_that_changes_changes_its_own_numbers(stores: dict[str, FaceStore]) -> None:
    before, frame = count(stores, manifest()), manifest()
    frame.loc[frame["sample_id"] == "a/1", ["split", "reason", "duplicate_of"]] = [
        "dropped",
        "contradictory_twins",
        "b/2",
    ]
    after = count(stores, frame)
    assert after["kept"]["a"]["val"] == NONE and after["kept"]["b"] == before["kept"]["b"]
    assert after["dropped"]["a"]["contradictory_twins"] == 1 and after["faces"] == {
        "kept": 5,
        "dropped": 5,
        "excluded": 52,
    }
    assert after["sizes"]["sources"]["a"]["bins"] == [2, 1, 0] and after["sizes"]["edges"] == [
        45,
        64,
        91,
        128,
    ]
    assert after["twins"]["because_of"]["a"] == {"a": 1, "b": 1}


def test_the_bins_are_two_to_a_doubling() -> None:
    assert SIZE_EDGES[:14] == (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128)
    assert SIZE_EDGES[-1] == 2**31
    assert all(
        SIZE_EDGES[place + 2] == pytest.approx(2 * edge, rel=0.1)
        for place, edge in enumerate(SIZE_EDGES[6:-2], 6)
    )


row = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 6),
    st.sampled_from([*SPLITS, *REASONS]),
    st.integers(1, 5000),
    st.integers(-20, 39),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(row, max_size=40))
def test_nothing_is_lost_or_counted_twice(rows: list[tuple[str, int, str, int, int]]) -> None:
    """Against a Counter over the rows, and by looking for every size in its bin."""
    splits = [state if state in SPLITS else "dropped" for _, _, state, _, _ in rows]
    twins = [place if place < len(rows) else -1 for *_, place in rows]
    faces = pd.DataFrame(
        {
            "source": pd.Categorical([source for source, *_ in rows], ["a", "b", "c"]),
            "label": np.array([label for _, label, *_ in rows], dtype=np.int8),
            "class": [CLASSES[label] for _, label, *_ in rows],
            "split": pd.Categorical(splits, [*SPLITS, "dropped"]),
            "reason": ["" if state in SPLITS else state for _, _, state, _, _ in rows],
            "min_side": np.array([side for *_, side, _ in rows], dtype=np.int64),
            "flag": "",
            "twin": np.array([max(twin, -1) for twin in twins], dtype=np.int64),
        }
    )
    stores = {
        name: FaceStore(Path(name), [], Header("face store/4", name), {"exclusions": []})
        for name in "abc"
    }
    found = count_faces(faces, stores, "")
    expected = Counter(
        (source, state, CLASSES[label]) for source, label, state, *_ in rows if state in SPLITS
    )
    kept = {
        (source, split, name): n
        for source, of in found["kept"].items()
        for split, by in of.items()
        for name, n in by.items()
        if n
    }
    assert kept == dict(expected)
    gone = {
        (source, reason): n
        for source, of in found["dropped"].items()
        for reason, n in of.items()
        if n
    }
    assert gone == dict(
        Counter((source, state) for source, _, state, *_ in rows if state in REASONS)
    )
    edges = found["sizes"]["edges"]
    for source, size in found["sizes"]["sources"].items():
        sides = [side for name, _, state, side, _ in rows if name == source and state in SPLITS]
        assert size["bins"] == [
            sum(low <= side < high for side in sides) for low, high in pairwise(edges)
        ]
        assert (size["smallest"], size["greatest"]) == (min(sides), max(sides))
    paired = [(rows[index], rows[twin]) for index, twin in enumerate(twins) if twin >= 0]
    left = Counter(one[2] for one, _ in paired if one[2] in REASONS)
    assert {reason: pairs["faces"] for reason, pairs in found["twins"]["dropped"].items()} == dict(
        left
    )
    stay = Counter(one[2] for one, other in paired if one[2] in SPLITS and one[1] != other[1])
    assert {
        split: pairs["other_class"]
        for split, pairs in found["twins"]["kept"].items()
        if pairs["other_class"]
    } == dict(stay)
    crossed = Counter((one[0], other[0]) for one, other in paired if one[2] in REASONS)
    because = {
        (source, other): n
        for source, of in found["twins"]["because_of"].items()
        for other, n in of.items()
        if n
    }
    assert because == dict(crossed)
