"""Who leaves when faces repeat, and whether a leak is seen."""

import numpy as np
import pandas as pd
import pytest

from fer_core.base.labels import SELF_LABELLED
from fer_core.dataset.assembly.leakage import (
    REASONS,
    TwinOptions,
    drop_leaks,
    find_leaks,
    group_codes,
    usable,
)

ORDER = ("a", "b", "c")


def table(
    *rows: tuple[str, str, int, int],
    group: dict[str, str] | None = None,
    flag: dict[str, str] | None = None,
) -> pd.DataFrame:
    """Rows of (sample_id, split, label, cluster); the source is the letter the sample_id starts
    with.
    """
    frame = pd.DataFrame(rows, columns=["sample_id", "split", "label", "cluster"]).sort_values(
        "sample_id", ignore_index=True
    )
    frame["source"] = frame["sample_id"].str[0]
    frame["preference"] = frame["source"].map(ORDER.index)
    frame["group"] = [(group or {}).get(key, key) for key in frame["sample_id"]]
    frame["usage"] = ""
    frame["flag"] = [(flag or {}).get(key, "") for key in frame["sample_id"]]
    return frame


def policy(**changes: str) -> TwinOptions:
    return TwinOptions.model_validate(
        {"across_splits": "drop", "contradictory": "drop", "repeated": "drop"} | changes
    )


def decide(
    faces: pd.DataFrame,
    drop_non_faces: bool = True,
    eval_only: tuple[str, ...] = (),
    **changes: str,
) -> dict[str, tuple[str, str, str]]:
    """Split, reason and duplicate_of of every row."""
    result = drop_leaks(
        faces, faces["cluster"].to_numpy(), drop_non_faces, policy(**changes), eval_only
    )
    return {row.sample_id: (row.split, row.reason, row.duplicate_of) for row in result.itertuples()}


@pytest.mark.parametrize(
    ("loser", "holder"), [("train", "test"), ("train", "val"), ("val", "test")]
)
def test_a_twin_in_a_held_out_split_wins(loser: str, holder: str) -> None:
    result = decide(table(("a/1", loser, 0, 1), ("b/1", holder, 3, 1), ("a/2", loser, 0, 2)))
    assert result["a/1"] == ("dropped", f"twin_in_{holder}", "b/1")
    assert result["b/1"] == (holder, "", "")
    assert result["a/2"] == (loser, "", "")


def test_a_train_row_whose_twins_sit_in_val_and_test_leaves_for_test_as_the_val_row_does() -> None:
    result = decide(table(("a/1", "train", 0, 1), ("a/2", "val", 0, 1), ("a/3", "test", 0, 1)))
    assert [result[key][1] for key in ("a/1", "a/2", "a/3")] == ["twin_in_test", "twin_in_test", ""]


def test_a_train_row_whose_group_sits_in_test_leaves() -> None:
    group = {"a/1": "photo", "a/2": "photo"}
    result = decide(
        table(
            ("a/1", "train", 0, 1),
            ("a/2", "test", 0, 2),
            ("b/1", "train", 0, 3),
            group={**group, "b/1": "photo"},
        )
    )
    assert result["a/1"] == ("dropped", "group_in_test", "a/2")
    assert result["b/1"][0] == "train", (
        "groups of another source that happen to have the same name are other groups"
    )


def test_of_train_twins_the_row_of_the_preferred_source_stays_whatever_its_label() -> None:
    result = decide(table(("b/1", "train", 0, 1), ("a/9", "train", 5, 1), ("c/1", "train", 0, 1)))
    assert result["a/9"] == ("train", "", "")
    assert result["b/1"] == result["c/1"] == ("dropped", "duplicate_in_train", "a/9")


def test_of_train_twins_within_a_source_the_first_stays() -> None:
    result = decide(table(("a/2", "train", 0, 1), ("a/1", "train", 0, 1)))
    assert result["a/1"][0] == "train"
    assert result["a/2"] == ("dropped", "duplicate_in_train", "a/1")


def test_twins_that_one_source_labels_differently_all_leave() -> None:
    result = decide(table(("a/1", "train", 0, 1), ("a/2", "train", 0, 1), ("a/3", "train", 4, 1)))
    assert result["a/1"] == result["a/2"] == ("dropped", "contradictory_twins", "a/3")
    assert result["a/3"] == ("dropped", "contradictory_twins", "a/1")


def test_a_source_that_agrees_with_itself_outlives_one_that_does_not() -> None:
    result = decide(table(("a/1", "train", 0, 1), ("a/2", "train", 4, 1), ("b/1", "train", 2, 1)))
    assert result["b/1"] == ("train", "", "")
    assert result["a/1"][1] == result["a/2"][1] == "contradictory_twins"


def test_test_rows_always_stay_and_their_twins_are_named() -> None:
    faces = table(
        ("a/1", "test", 0, 1),
        ("a/2", "test", 4, 1),
        ("b/1", "test", 0, 1),
        ("a/3", "test", 0, 7),
        flag={"a/3": "blank"},
    )
    result = decide(faces)
    assert [value[0] for value in result.values()] == ["test"] * 4
    assert (result["a/1"][2], result["a/2"][2], result["b/1"][2]) == ("", "a/1", "a/1")


@pytest.mark.parametrize(("drop", "expected"), [(True, "dropped"), (False, "train")])
def test_non_faces_leave_train_only_when_asked_to(drop: bool, expected: str) -> None:
    result = decide(table(("a/1", "train", 0, 1), flag={"a/1": "blank"}), drop)
    assert result["a/1"][0] == expected


def test_rows_without_label_or_split_leave_and_displace_nobody() -> None:
    faces = table(
        ("a/1", "train", -1, 1),
        ("a/2", "none", 0, 1),
        ("b/1", "train", 0, 1),
        ("a/3", "test", -1, 2),
        ("b/2", "train", 0, 2),
    )
    faces.loc[~usable(faces), "cluster"] = range(100, 103)
    result = decide(faces)
    assert [result[key][1] for key in ("a/1", "a/2", "a/3")] == [
        "unlabelled",
        "no_split",
        "unlabelled",
    ]
    assert result["b/1"][0] == result["b/2"][0] == "train"


@pytest.mark.parametrize("choice", ["fail", "report"])
def test_twins_across_splits_stay_when_the_gate_is_to_see_them(choice: str) -> None:
    faces = table(("a/1", "train", 0, 1), ("b/1", "test", 3, 1))
    assert decide(faces, across_splits=choice)["a/1"] == ("train", "", "")
    assert decide(faces)["a/1"][0] == "dropped"


def test_the_majority_of_contradictory_twins_may_stay() -> None:
    faces = table(
        ("a/1", "train", 0, 1),
        ("a/2", "train", 4, 1),
        ("a/3", "train", 0, 1),
        ("a/8", "train", 1, 2),
        ("a/9", "train", 2, 2),
    )
    result = decide(faces, contradictory="majority", repeated="keep")
    assert (result["a/1"], result["a/3"][0]) == (("train", "", ""), "train")
    assert result["a/2"] == ("dropped", "contradictory_twins", "a/1")
    assert result["a/8"][1] == result["a/9"][1] == "contradictory_twins", "a tie has no majority"
    assert {
        value[0] for value in decide(faces, contradictory="keep", repeated="keep").values()
    } == {"train"}


def test_repeated_twins_may_stay_and_name_the_first() -> None:
    result = decide(table(("a/2", "train", 0, 1), ("a/1", "train", 0, 1)), repeated="keep")
    assert result == {"a/1": ("train", "", ""), "a/2": ("train", "", "a/1")}


@pytest.mark.parametrize("choice", ["drop", "majority"])
def test_where_repeated_twins_stay_the_preferred_source_is_believed_and_others_of_another_label_leave(
    choice: str,
) -> None:
    faces = table(
        ("b/1", "train", 0, 1),
        ("a/9", "train", 5, 1),
        ("b/2", "train", 5, 1),
        ("c/1", "train", 5, 1),
        ("a/3", "train", 2, 2),
    )
    faces.loc[faces["sample_id"] == "b/2", "label"] = 0
    result = decide(faces, contradictory=choice, repeated="keep")
    assert result["a/9"] == ("train", "", "") and result["a/3"] == ("train", "", "")
    assert result["b/1"] == result["b/2"] == ("dropped", "contradictory_twins", "a/9")
    assert result["c/1"] == ("train", "", "a/9")
    assert {
        value[0] for value in decide(faces, contradictory="keep", repeated="keep").values()
    } == {"train"}


def test_where_repeated_twins_leave_a_row_of_another_label_leaves_as_a_repeat() -> None:
    result = decide(table(("b/1", "train", 0, 1), ("a/9", "train", 5, 1)))
    assert result["b/1"] == ("dropped", "duplicate_in_train", "a/9")


def test_of_sources_that_only_evaluate_test_rows_stay() -> None:
    faces = table(
        ("a/1", "train", 0, 1),
        ("a/2", "val", 0, 2),
        ("a/3", "test", 0, 3),
        ("b/1", "train", 0, 1),
        ("b/3", "train", 0, 3),
    )
    result = decide(faces, eval_only=("a",))
    assert [result[key][1] for key in ("a/1", "a/2", "a/3")] == ["eval_only", "eval_only", ""]
    assert result["b/1"] == ("train", "", ""), "a row that only evaluates displaces no train row"
    assert result["b/3"] == ("dropped", "twin_in_test", "a/3")


def test_a_row_that_left_keeps_its_first_reason() -> None:
    result = decide(
        table(
            ("a/1", "none", -1, 1), ("a/2", "train", -1, 2), flag={"a/1": "blank", "a/2": "blank"}
        )
    )
    assert [result[key][1] for key in ("a/1", "a/2")] == ["no_split", "unlabelled"]


def test_every_reason_given_is_a_declared_one() -> None:
    faces = table(
        ("a/1", "train", 0, 1),
        ("a/2", "test", 0, 1),
        ("a/3", "none", 0, 3),
        ("a/4", "train", 0, 4),
        ("a/5", "train", 0, 4),
    )
    assert {reason for _, reason, _ in decide(faces).values()} - {""} <= set(REASONS)


def test_a_network_s_label_never_takes_a_person_s_away() -> None:
    faces = table(
        ("a/1", "train", 3, 1),
        ("a/2", "train", 4, 1),
        ("a/3", "train", 4, 2),
        ("b/1", "test", 4, 3),
    )
    faces["usage"] = ["", SELF_LABELLED, SELF_LABELLED, ""]
    result = decide(faces)
    assert [result[key][1] for key in ("a/1", "a/2", "a/3")] == ["", "self_labelled", ""]
    faces["usage"] = ""
    assert decide(faces)["a/1"][1] == "contradictory_twins"


def kept(*rows: tuple[str, str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["sample_id", "split", "cluster"])
    return frame.assign(source=frame["sample_id"].str[0], group=frame["sample_id"])


def test_a_twin_in_another_split_is_a_leak() -> None:
    rows = kept(("a/1", "train", 1), ("a/2", "test", 1), ("a/3", "val", 2), ("a/4", "val", 2))
    exact = rows["cluster"].to_numpy()
    (leak,) = find_leaks(rows, exact, exact)
    assert (leak.kind, leak.sample_id, leak.split, leak.other_id, leak.other_split) == (
        "exact twin",
        "a/1",
        "train",
        "a/2",
        "test",
    )


def test_near_twins_and_groups_in_another_split_are_leaks() -> None:
    rows = kept(("a/1", "train", 1), ("a/2", "calib", 1), ("a/3", "val", 3), ("a/4", "train", 4))
    rows.loc[2:, "group"] = "photo"
    kinds = [
        leak.kind for leak in find_leaks(rows, rows.index.to_numpy(), rows["cluster"].to_numpy())
    ]
    assert kinds == ["near twin", "group"]


def test_what_drop_leaks_leaves_has_no_leaks() -> None:
    splits = ["train", "val", "test"]
    faces = table(
        *((f"{'abc'[i % 3]}/{i:02}", splits[i * 7 % 11 % 3], i % 4, i % 5) for i in range(40))
    )
    faces["group"] = [f"g{i % 9}" for i in range(40)]
    result = drop_leaks(faces, faces["cluster"].to_numpy(), True, policy())
    stay = result[result["split"] != "dropped"]
    assert find_leaks(stay, stay["cluster"].to_numpy(), stay["cluster"].to_numpy()) == []


def test_every_key_with_rows_in_several_splits_is_one_leak_by_its_first_rows() -> None:
    rng = np.random.default_rng(3)
    splits = ["train", "val", "calib", "test"]
    rows = kept(*((f"a/{at:03}", splits[rng.integers(4)], 0) for at in rng.permutation(300)))
    cluster = rng.integers(0, 200, len(rows))
    expected = []
    for key in np.unique(cluster):
        mine = rows[cluster == key].sort_values("sample_id")
        firsts = mine.drop_duplicates("split")[["sample_id", "split"]].to_numpy().tolist()
        if len(firsts) > 1:
            expected.append((*firsts[0], *firsts[1]))
    found = find_leaks(rows, np.arange(len(rows)), cluster)
    assert [(leak.sample_id, leak.split, leak.other_id, leak.other_split) for leak in found] == (
        expected
    )
    assert len(expected) > 50


def test_groups_are_numbered_as_they_come_and_never_meet_those_of_another_source() -> None:
    rows = kept(("b/1", "train", 0), ("a/1", "train", 0), ("b/2", "val", 0), ("a/2", "test", 0))
    rows["group"] = ["x", "x", "y", "x"]
    assert group_codes(rows).tolist() == [0, 1, 2, 1]
    assert group_codes(rows[:0]).tolist() == []
