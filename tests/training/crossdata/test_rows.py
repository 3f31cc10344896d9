"""No row of the data set left out is learned from, and none that shows a tested face; what cannot
be left out has a number and a reason.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.paths import NONE_LEFT_OUT
from fer_core.training.crossdata.rows import Faces, choose, reason_against

SOURCES = ("a", "b", "c")


def faces(splits: str = "train", cluster_of: dict[str, str] | None = None) -> Faces:
    """Ten train rows, three val rows and six test rows of each data set."""
    rows = [
        (f"{source}/{split}{i}", source, split)
        for source in SOURCES
        for split, count in (("train", 10), ("val", 3), ("test", 6))
        for i in range(count)
    ]
    frame = pd.DataFrame(rows, columns=["sample_id", "source", "split"])
    dev = frame[frame["split"] != "test"].reset_index(drop=True)
    test = frame[frame["split"] == "test"].reset_index(drop=True)
    learned = np.flatnonzero(dev["split"] == splits)
    return Faces(dev, test, learned, None, cluster_of or {})


def names(found: Faces, numbers: np.ndarray) -> set[str]:
    return set(found.dev["sample_id"].iloc[numbers])


def test_without_a_data_set_its_rows_are_neither_learned_from_nor_chosen_by() -> None:
    all_of = faces()
    chosen = choose("b", all_of)
    assert names(all_of, chosen.train) == {f"{s}/train{i}" for s in "ac" for i in range(10)}
    assert names(all_of, chosen.val) == {f"{s}/val{i}" for s in "ac" for i in range(3)}
    assert chosen.audit == {
        "train_rows": 20,
        "val_rows": 6,
        "test_rows": 18,
        "test_clusters": 18,
        "excluded_train": 0,
        "excluded_val": 0,
        "remaining": 0,
        "same_faces": 0,
    }
    assert len(choose(NONE_LEFT_OUT, all_of).train) == 30


def test_a_twin_across_two_data_sets_is_found_and_leaves() -> None:
    planted = faces(cluster_of={"b/test0": "a/train3", "c/val1": "b/test2"})
    for left_out in ("b", NONE_LEFT_OUT):
        chosen = choose(left_out, planted)
        assert "a/train3" not in names(planted, chosen.train)
        assert "c/val1" not in names(planted, chosen.val)
        assert (chosen.audit["excluded_train"], chosen.audit["excluded_val"]) == (1, 1)
        assert chosen.audit["remaining"] == 0
    assert choose("a", planted).audit["excluded_train"] == 0


def test_a_face_that_the_left_out_data_set_has_too_is_counted_though_not_tested() -> None:
    dropped = faces(cluster_of={"b/gone": "a/train1", "c/train0": "b/train0", "b/x": "b/y"})
    assert choose("b", dropped).audit["same_faces"] == 2
    assert choose("c", dropped).audit["same_faces"] == 1
    assert choose(NONE_LEFT_OUT, dropped).audit["same_faces"] == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_connected_no_training_sees_its_data_set_or_a_tested_cluster(
    data: st.DataObject,
) -> None:
    found = faces()
    keys = [*found.dev["sample_id"], *found.test["sample_id"]]
    linked = data.draw(
        st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(keys)), max_size=8)
    )
    cluster_of = {late: early for late, early in linked if late != early}
    cluster_of = {k: v for k, v in cluster_of.items() if v not in cluster_of}
    found = replace(found, cluster_of=cluster_of)
    left_out = data.draw(st.sampled_from((*SOURCES, NONE_LEFT_OUT)))
    chosen = choose(left_out, found)
    seen = names(found, np.concatenate([chosen.train, chosen.val]))
    assert not any(key.startswith(f"{left_out}/") for key in seen)
    tested = {cluster_of.get(key, key) for key in found.test["sample_id"]}
    assert not tested & {cluster_of.get(key, key) for key in seen}
    looked_at = chosen.audit["train_rows"] + chosen.audit["val_rows"]
    assert looked_at == len(seen) + chosen.audit["excluded_train"] + chosen.audit["excluded_val"]


def test_too_few_test_rows_and_rows_that_nobody_learns_from_have_a_number_and_a_reason() -> None:
    found = faces()
    assert reason_against("a", found, 6) is None
    assert reason_against("a", found, 7) == {"n": 6, "reason": "fewer than 7 test rows"}
    assert reason_against("z", found, 1) == {"n": 0, "reason": "no test rows"}
    others = replace(found, learned=found.learned[10:])
    assert "none of its rows" in str(reason_against("a", others, 1))
    alone = replace(found, learned=found.learned[:10])
    assert "no train row is left" in str(reason_against("a", alone, 1))


def test_a_set_that_a_data_set_fills_alone_is_an_error_that_names_it() -> None:
    alone = replace(faces(), learned=faces().learned[:10], set_name="large")
    with pytest.raises(DataError, match=r"(?s)empty.*sets\.large.*10 train rows, all of a"):
        reason_against("a", alone, 1)


def test_without_val_rows_of_others_no_epoch_could_be_chosen() -> None:
    found = faces()
    dev = found.dev.assign(split=found.dev["split"].where(found.dev["source"] == "a", "train"))
    with pytest.raises(DataError, match="no val row"):
        choose("a", replace(found, dev=dev))
