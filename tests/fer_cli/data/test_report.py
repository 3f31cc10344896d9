"""What is missing or odd in a data set is said when it is added."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_cli.data.report import counts_table, next_steps
from fer_core.base.labels import CLASSES
from fer_core.sources.adding.findings import faces_in, odd_counts, odd_files
from fer_core.sources.files.tree import open_tree
from tests.sources.trees import put, zipped

FULL = dict.fromkeys(CLASSES, 100)


def without(*names: str) -> dict[str, int]:
    return {name: count for name, count in FULL.items() if name not in names}


def test_complete_set_has_nothing_odd() -> None:
    assert odd_counts({"train": FULL, "val": FULL, "test": FULL}) == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"train": without("Fear"), "val": FULL, "test": without("Fear", "Sad")},
            ["no faces of Fear in train", "no faces of Fear, Sad in test"],
        ),
        ({"train": without("Fear"), "val": without("Fear"), "test": without("Fear")}, ["no faces of Fear"]),
        ({"train": FULL, "val": FULL}, ["no test split: manifest.missing_test_fraction can carve one "
                                        "from train"]),
        ({"train": FULL, "test": FULL}, ["no val split: manifest.val_fraction carves one from "
                                         "train"]),
        ({"test": FULL}, ["no train split: it can only be evaluated (manifest.eval_only)"]),
        ({"train": FULL, "val": FULL, "test": FULL, "none": FULL}, ["700 faces have no split: no "
                                                                    "set takes them"]),
        (
            {"train": {**FULL, "contempt": 3, "(other file)": 1}, "val": FULL, "test": {**FULL, "contempt": 4}},
            ["left out: (other file) 1, contempt 7"],
        ),
        ({"none": {"unlabelled": 12}}, ["12 pictures without labels: they are in no split and no "
                                        "set"]),
        ({"train": FULL, "val": FULL, "test": {**FULL, "Disgust": 5}}, ["Disgust is 14 % of train "
                                                                        "but 0.83 % of test"]),
        ({"train": {**FULL, "Fear": 5}, "val": FULL, "test": FULL}, ["Fear is 0.83 % of train but "
                                                                     "14 % of test"]),
    ],
)  # fmt: skip
def test_what_is_missing_or_odd_is_said(counts: dict[str, dict[str, int]], said: list[str]) -> None:
    assert odd_counts(counts) == said


def test_shares_of_a_handful_of_faces_say_nothing() -> None:
    few = dict.fromkeys(CLASSES, 1)
    assert odd_counts({"train": {**FULL, "Happy": 100_000}, "val": FULL, "test": few}) == []


@given(
    st.dictionaries(
        st.sampled_from(["train", "val", "test", "none"]),
        st.dictionaries(st.sampled_from([*CLASSES, "unlabelled", "contempt"]), st.integers(0, 9)),
    )
)
def test_table_adds_up_to_all_entries(counts: dict[str, dict[str, int]]) -> None:
    lines = counts_table(counts)
    assert sum(map(int, lines[-1].split()[1:])) == sum(
        sum(words.values()) for words in counts.values()
    )
    assert faces_in(counts) == sum(
        n for words in counts.values() for word, n in words.items() if word != "contempt"
    )


def test_table_marks_what_is_left_out() -> None:
    lines = counts_table({"train": {"Happy": 2, "contempt": 1}, "test": {"Happy": 5}})
    assert lines[0].split() == ["train", "test"]
    assert [line.split() for line in lines if line.startswith(("Happy", "contempt", "total"))] == [
        ["Happy", "2", "5"],
        ["contempt", "(left", "out)", "1", "0"],
        ["total", "3", "5"],
    ]


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    put(tmp_path / "Image/aligned/a.jpg")
    zipped(tmp_path / "Image/aligned.zip", {"a.jpg": b""})
    zipped(tmp_path / "image2.zip", {"a.jpg": b""})
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel/list.txt").write_text("")
    for number in range(7):
        (tmp_path / f"note{number}.txt").write_text("")
    (tmp_path / "x.7z.001").write_bytes(b"")
    assert odd_files(tmp_path, open_tree(tmp_path), ["EmoLabel/list.txt", "image"]) == [
        "Image/aligned.zip lies beside the folder aligned and is not read",
        "not read, because they are packed: x.7z.001",
        "not read: image2, note0.txt, note1.txt, note2.txt, note3.txt and 3 more",
    ]
    assert odd_files(tmp_path / "EmoLabel", open_tree(tmp_path / "EmoLabel"), [""]) == []


def test_next_steps_depend_on_whether_the_manifest_lists_the_set() -> None:
    assert next_steps("mine", listed=True)[1:] == ["  1. `fer dag sync`", "  2. `fer run`"]
    assert "does not list mine" in next_steps("mine", listed=False)[0]
    assert next_steps("mine", listed=False)[1].startswith(
        "  1. add mine to manifest.sources in params.yaml"
    )
