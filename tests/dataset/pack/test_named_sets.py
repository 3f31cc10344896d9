"""Named sets pick the rows they say and refuse to be silently empty."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.params import parse_section
from fer_core.dataset.pack.named_sets import (
    NamedSets,
    SetFilter,
    a_few_of_each,
    evaluated_sets,
    leave_unlearned_out,
    select,
    train_set_of,
)


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": ["r/1", "r/2", "f/1", "f/2", "e/1"],
            "label": [0, 0, 3, 3, 3],
            "split": ["train", "val", "test", "test", "test"],
            "source": ["rafdb", "rafdb", "fer2013", "fer2013", "expw"],
            "usage": ["train", "train", "PrivateTest", "PublicTest", ""],
            "min_side": [100, 100, 48, 48, 200],
            "confidence": [None, None, None, None, 40.0],
        }
    ).astype({"confidence": "float32"})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, [2, 3, 4]),
        ({"split": ["train", "val"]}, [0, 1]),
        ({"sources": ["fer2013"]}, [2, 3]),
        ({"without": ["fer2013"]}, [4]),
        ({"most_per_class": 1}, [2, 4]),
        ({"most_per_class": 2}, [2, 3, 4]),
        ({"usage": ["PrivateTest"]}, [2]),
        ({"min_side": 100}, [4]),
        ({"min_confidence": 60}, [2, 3]),
        ({"sources": ["fer2013", "expw"], "min_side": 48, "min_confidence": 40}, [2, 3, 4]),
    ],
)
def test_a_set_holds_the_rows_that_meet_every_condition(chosen: dict, expected: list[int]) -> None:
    assert select(rows(), SetFilter(**chosen)).nonzero()[0].tolist() == expected


def test_a_source_without_rows_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match=r"hq[\s\S]*expw_hq"):
        select(rows(), SetFilter(sources=["fer2013", "expw_hq"]), "hq")


def test_a_source_that_only_trains_is_no_source_of_a_test_set() -> None:
    with pytest.raises(DataError, match="rafdb"):
        select(rows(), SetFilter(sources=["fer2013", "rafdb"]))


def test_an_exclusion_of_nothing_known_and_one_of_everything_are_errors() -> None:
    with pytest.raises(DataError, match="expw_hq"):
        select(rows(), SetFilter(without=["expw_hq"]))
    with pytest.raises(DataError, match="empty"):
        select(rows(), SetFilter(without=["fer2013", "expw"]))


def test_the_best_rows_are_the_largest_then_the_surest_then_the_first() -> None:
    frame = pd.DataFrame(
        {
            "sample_id": ["c", "a", "b", "d", "e"],
            "label": [1, 1, 1, 1, 2],
            "split": "train",
            "source": "expw",
            "usage": "",
            "min_side": [50, 50, 50, 60, 10],
            "confidence": [30.0, 90.0, 90.0, None, None],
        }
    )
    for most, expected in ((1, ["d", "e"]), (2, ["a", "d", "e"]), (3, ["a", "b", "d", "e"])):
        chosen = SetFilter(split=["train"], most_per_class=most)
        assert sorted(frame["sample_id"][select(frame, chosen)]) == expected


def test_a_cap_of_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="most_per_class"):
        SetFilter(most_per_class=0)


def test_an_empty_set_is_an_error() -> None:
    with pytest.raises(DataError, match="empty"):
        select(rows(), SetFilter(min_side=1000))


def test_a_set_never_mixes_test_with_other_splits() -> None:
    with pytest.raises(ValidationError):
        SetFilter(split=["train", "test"])


def test_a_set_is_trained_on_by_its_train_rows() -> None:
    sets = {
        "dev": SetFilter(split=["train", "val"]),
        "test": SetFilter(),
        "val": SetFilter(split=["val"]),
    }
    chosen = train_set_of("dev", sets)
    assert chosen.rows(rows()).tolist() == [0]
    assert chosen.to_dict() == {"name": "dev", "split": ["train", "val"]}
    for name in ("test", "val", "dve"):
        with pytest.raises(ParamsError, match=r"found: " + name + r"[\s\S]*expected: dev"):
            train_set_of(name, sets)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 3]),
            st.sampled_from(["train", "val", "test"]),
            st.sampled_from(["a", "b"]),
            st.sampled_from([40, 48, 64]),
        ),
        max_size=20,
    ),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_sets_take_the_same_rows_from_what_is_packed(
    made: list[tuple[int, str, str, int]], most: int, other: int
) -> None:
    made.append((0, "train", "a", 64))
    frame = pd.DataFrame(made, columns=["label", "split", "source", "min_side"])
    frame = frame.assign(
        sample_id=[f"{number}" for number in range(len(made))], usage="", confidence=None
    ).astype({"confidence": "float32"})
    sets = {
        "best": SetFilter(split=["train"], most_per_class=most),
        "mixed": SetFilter(split=["train", "val"], sources=["a"], most_per_class=other),
    }
    learned = [train_set_of(name, sets) for name in sets if _trains(frame, sets[name])]
    left = leave_unlearned_out(frame, learned)
    wanted = set()
    for one in learned:
        ids = frame["sample_id"].iloc[one.rows(frame)].tolist()
        assert left["sample_id"].iloc[one.rows(left)].tolist() == ids
        wanted |= set(ids)
    assert set(left.loc[left["split"] == "train", "sample_id"]) == wanted
    assert (left["split"] != "train").sum() == (frame["split"] != "train").sum()


def _trains(frame: pd.DataFrame, chosen: SetFilter) -> bool:
    picked = frame[select(frame, chosen)]
    return bool((picked["split"] == "train").any())


def test_a_few_of_each_are_of_each_split_data_set_and_class_and_leave_no_set_empty() -> None:
    frame = pd.DataFrame(
        {
            "sample_id": [f"{i % 4}/{i:03}" for i in range(240)][::-1],
            "label": [i % 3 for i in range(240)],
            "split": ["train", "test"] * 120,
            "source": ["a"] * 120 + ["b"] * 120,
            "usage": ["PublicTest" if i < 200 else "PrivateTest" for i in range(240)],
            "min_side": 100,
            "confidence": None,
        }
    ).astype({"confidence": "float32"})
    last = frame.sort_values("sample_id")["sample_id"].iloc[-1]
    frame.loc[frame["sample_id"] == last, ["split", "min_side"]] = ["test", 900]
    sets = {
        "large": SetFilter(min_side=900),
        "private": SetFilter(usage=["PrivateTest"], sources=["b"]),
    }
    few = a_few_of_each(frame, sets, 2)
    plain = a_few_of_each(frame, {}, 2)
    counts = plain.groupby(["split", "source", "label"]).size()
    assert len(counts) == 2 * 2 * 3 and set(counts) == {2}
    assert list(few.index) == sorted(few.index) and set(plain.index) < set(few.index)
    assert few[select(few, sets["large"])]["sample_id"].tolist() == [last]
    private = few[select(few, sets["private"])]
    assert set(private["label"]) == {0, 1, 2} and len(private) < 15
    with pytest.raises(DataError, match="huge"):
        a_few_of_each(frame, {"huge": SetFilter(min_side=901)}, 2)


def test_a_set_whose_rows_are_all_val_rows_trains_nothing() -> None:
    only_val = rows().assign(split=["val", "val", "test", "test", "test"])
    with pytest.raises(DataError, match="no train rows"):
        train_set_of("dev", {"dev": SetFilter(split=["train", "val"])}).rows(only_val)


def test_evaluated_sets_are_those_of_test_rows() -> None:
    sets = {
        "all": SetFilter(),
        "hq_train": SetFilter(split=["train"]),
        "fer": SetFilter(split=["test"], sources=["fer2013"]),
    }
    assert list(evaluated_sets(sets)) == ["all", "fer"]


def test_an_unknown_condition_is_refused_by_name() -> None:
    with pytest.raises(ParamsError, match=r"sets\.all\.source"):
        parse_section("sets", {"all": {"source": ["fer2013"]}}, NamedSets)
