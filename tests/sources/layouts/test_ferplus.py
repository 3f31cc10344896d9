import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.families import fer2013 as family
from fer_core.sources.families.fer2013 import WORDS
from fer_core.sources.files.label_files import Line
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.fer2013 import READER as fer2013
from fer_core.sources.layouts.ferplus import READER as ferplus
from tests.sources.trees import clean_options, fer2013_csv, fer2013_rows, ferplus_csv, read

MODES = ("majority", "probability", "multi_target")

# neutral happiness surprise sadness anger disgust fear contempt unknown NF
CASES = {
    "clear": ("6,0,1,1,0,0,0,0,2,0", "Neutral", "Neutral"),
    "tie": ("4,0,0,4,1,0,0,0,1,0", "unknown", "Neutral"),
    "single votes do not count": ("1,1,1,1,1,1,0,0,1,3", "no face", "no face"),
    "half is no majority": ("0,5,5,0,0,0,0,0,0,0", "unknown", "Happy"),
    "contempt": ("1,0,0,0,0,0,0,9,0,0", "contempt", "contempt"),
    "unknown leads": ("2,0,0,0,0,0,0,0,8,0", "unknown", "unknown"),
    "unknown second ends it": ("0,0,0,0,5,0,0,0,3,2", "unknown", "unknown"),
    "no face": ("0,0,0,0,0,0,0,0,0,10", "no face", "no face"),
    "four equal": ("2,2,2,2,0,0,0,0,0,0", "unknown", "unknown"),
    "three equal": ("0,0,0,3,3,3,1,0,0,0", "unknown", "Sad"),
    "nothing left": ("1,1,1,1,1,1,1,1,1,1", "unknown", "unknown"),
    "fear": ("0,0,2,0,0,0,8,0,0,0", "Fear", "Fear"),
}


def decide(counts, mode):
    line = Line(Path("label.csv"), 1, "")
    return family.decide([str(count) for count in counts], mode, line)


def tables(tmp_path: Path, lines: list[str], usages: list[str] | None = None) -> Path:
    usages = usages or ["Training"] * len(lines)
    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows([(0, usage) for usage in usages]))
    ferplus_csv(tmp_path / "fer2013new.csv", lines)
    return tmp_path


# what comes out, then the other targets
TARGETS = {
    "6,0,1,1,0,0,0,0,2,0": ["Neutral"],  # 6 of 8
    "4,0,0,4,1,0,0,0,1,0": ["Neutral", "Sad"],  # equal leaders: the first in the order of the table
    "3,0,0,7,0,0,0,0,0,0": ["Sad", "Neutral"],  # exactly 30 % is enough
    "2,0,0,8,0,0,0,0,0,0": ["Sad"],
    "0,0,0,3,3,3,1,0,0,0": ["Sad", "Angry", "Disgust"],
    "4,2,2,0,0,0,0,0,0,0": ["unknown"],  # 4 of 8: no more than half
    "2,2,2,2,2,0,0,0,0,0": ["unknown"],  # none reaches 30 %
    "1,1,1,1,1,1,1,1,1,1": ["unknown"],  # nothing left
    "0,0,0,0,5,0,0,0,3,2": ["Angry"],  # unknown is a target too, but no class
    "0,0,0,0,3,0,0,0,3,4": ["no face"],
    "2,0,0,0,0,0,0,0,8,0": ["unknown"],
    "5,0,0,0,0,0,0,5,0,0": ["Neutral"],  # contempt is a target too, but no class
    "4,0,0,0,0,0,0,6,0,0": ["contempt"],
}


@pytest.mark.parametrize("text", TARGETS)
def test_multi_target_takes_every_emotion_with_thirty_percent(text):
    vote = decide(np.array([int(count) for count in text.split(",")]), "multi_target")
    word, targets = TARGETS[text][0], TARGETS[text]
    assert vote.word == word
    if word in CLASSES:
        assert vote.votes == tuple(float(name in targets) for name in CLASSES)
    else:
        assert (vote.label, vote.votes) == (-1, None)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=10, max_size=10), st.sampled_from(MODES))
def test_the_label_has_votes_and_no_other_class_has_more(counts, mode):
    vote = decide(np.array(counts), mode)
    assert (vote.label < 0) == bool(vote.reason)
    if vote.label >= 0:
        assert vote.votes[vote.label] == max(vote.votes) > 0
        assert vote.word == CLASSES[vote.label]


@given(st.integers(2, 10), st.integers(0, 9))
def test_all_modes_agree_where_one_column_has_all_votes(count, column):
    counts = np.zeros(10, dtype=int)
    counts[column] = count
    majority, probability, targets = (decide(counts, mode) for mode in MODES)
    assert majority == probability
    voted = majority.votes and tuple(float(votes > 0) for votes in majority.votes)
    assert targets == majority._replace(votes=voted)


@pytest.mark.parametrize("case", CASES)
def test_votes_become_the_label_of_the_authors_rules(case):
    text, majority, probability = CASES[case]
    counts = np.array([int(count) for count in text.split(",")])
    assert decide(counts, "majority").word == majority
    assert decide(counts, "probability").word == probability


def test_votes_are_kept_in_canonical_order():
    counts = np.array([1, 0, 8, 0, 0, 0, 0, 0, 1, 0])
    vote = decide(counts, "majority")
    assert CLASSES[vote.label] == "Surprise"
    assert vote.votes == (0, 0, 0, 0, 0, 8, 1)  # Angry … Surprise, Neutral
    assert decide(np.array([5, 1, 0, 0, 4, 0, 0, 0, 0, 0]), "probability").votes == (
        4,
        0,
        0,
        0,
        0,
        0,
        5,
    )


def test_rows_are_joined_by_order_and_not_by_the_number_in_the_name(tmp_path):
    tables(
        tmp_path,
        [
            "Training,fer0000007.png,0,10,0,0,0,0,0,0,0,0",
            "Training,fer0000000.png,0,0,0,10,0,0,0,0,0,0",
        ],
    )
    faces, _ = read(ferplus, tmp_path, "ferplus")
    pictures, _ = read(fer2013, tmp_path, "ferplus")
    assert [CLASSES[face.label] for face in faces] == ["Happy", "Sad"]
    assert [(face.sample_id, face.image) for face in faces] == [
        (face.sample_id, face.image) for face in pictures
    ]


def test_mode_is_an_option_of_the_data_set(tmp_path):
    tables(tmp_path, ["Training,fer0000000.png,4,0,0,3,1,0,0,0,1,1"])  # 4 and 3 of 7
    votes = {mode: read(ferplus, tmp_path, ferplus={"mode": mode})[0][0].votes for mode in MODES}
    assert votes["majority"] == (1, 0, 0, 0, 3, 0, 4)
    assert votes["probability"] == (0, 0, 0, 0, 3, 0, 4)
    assert votes["multi_target"] == (0, 0, 0, 0, 1, 0, 1)


def test_what_is_none_of_the_seven_is_excluded_with_a_reason(tmp_path):
    lines = [
        "Training,fer0000000.png,0,0,0,0,0,0,0,10,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "Training,fer0000001.png,5,5,0,0,0,0,0,0,0,0",
        "PublicTest,fer0000002.png,0,0,0,0,10,0,0,0,0,0",
    ]
    tables(tmp_path, lines, ["Training", "Training", "Training", "PublicTest"])
    faces, exclusions = read(ferplus, tmp_path, "ferplus")
    assert [(item.sample_id, item.reason) for item in exclusions] == [
        ("ferplus/Training-0000000", "FERPlus: the votes say contempt"),
        ("ferplus/Training-0000001", "FERPlus: no image name"),
        ("ferplus/Training-0000002", "FERPlus: no majority"),
    ]
    assert [(face.split, face.usage, CLASSES[face.label]) for face in faces] == [
        ("test", "PublicTest", "Angry")
    ]
    expected = {"train": {"contempt": 1, "no face": 1, "unknown": 1}, "test": {"Angry": 1}}
    assert ferplus.announce(open_tree(tmp_path), clean_options()) == expected


ROW = "Training,fer0000000.png,10,0,0,0,0,0,0,0,0,0"


def test_another_number_of_rows_is_refused_naming_both_tables(tmp_path):
    tables(tmp_path, [ROW, ROW], ["Training"] * 3)
    with pytest.raises(
        DataError,
        match=r"(?s)fer2013new\.csv.*2 rows of votes, 3 rows of pictures in .*fer2013\.csv",
    ):
        read(ferplus, tmp_path)
    tables(tmp_path, [ROW, ROW, ROW], ["Training"] * 2)
    with pytest.raises(DataError, match="3 rows of votes, 2 rows of pictures"):
        ferplus.announce(open_tree(tmp_path), clean_options())


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("PublicTest,fer0000000.png,10,0,0,0,0,0,0,0,0,0", "disagree about Usage"),
        ("Training,fer0000000.png,10,0,0,0,0,0,0,0,0", "number of columns"),
        ("Training,fer0000000.png,x,0,0,0,0,0,0,0,0,0", "no?t a whole number"),
        ("Training,fer0000000.png,-1,0,0,0,0,0,0,0,0,0", "no?t a whole number"),
        (f"Training,fer0000000.png,{'1' * 5000},0,0,0,0,0,0,0,0,0", "no?t a whole number"),
    ],
)
def test_faulty_row_is_named_with_its_line(tmp_path, line, problem):
    tables(tmp_path, [ROW, line])
    with pytest.raises(DataError, match=rf"(?s){problem}.*fer2013new\.csv, line 3"):
        read(ferplus, tmp_path)


def test_kaggles_table_is_no_ferplus_table_because_nobody_says_that_its_rows_are_in_the_same_order(
    tmp_path,
):
    tables(tmp_path, [ROW])
    (tmp_path / "fer2013.csv").rename(tmp_path / "icml_face_data.csv")
    assert not ferplus.recognise(open_tree(tmp_path))
    with pytest.raises(
        DataError, match=r"(?s)FER2013 table that FERPlus labels is missing.*fer2013\.csv"
    ):
        read(ferplus, tmp_path)


def test_wrong_header_is_refused(tmp_path):
    tables(tmp_path, [ROW])
    ferplus_csv(tmp_path / "fer2013new.csv", [ROW], header="Usage,Image name,neutral")
    with pytest.raises(DataError, match=r"(?s)another header.*line 1"):
        read(ferplus, tmp_path)


def test_real_votes_give_the_counts_of_the_authors_program():
    path = os.environ.get("FER_TEST_FER2013", "")
    root = Path(path) if Path(path).is_dir() else Path(path).parent
    if not path or not root.exists() or not ferplus.recognise(open_tree(root)):
        pytest.skip(
            "set FER_TEST_FER2013 to a folder with the official fer2013.csv and fer2013new.csv"
        )
    for mode, expected in {"majority": 25060, "probability": 27956, "multi_target": 27671}.items():
        train = ferplus.announce(open_tree(root), clean_options(ferplus={"mode": mode}))["train"]
        assert (
            sum(count for word, count in train.items() if word not in ("unknown", "no face"))
            == expected
        )


def test_tables_in_folders_side_by_side_are_joined(tmp_path):
    tables(tmp_path, [ROW])
    for name, folder in (("fer2013.csv", "fer2013"), ("fer2013new.csv", "FERPlus-master")):
        (tmp_path / folder).mkdir()
        (tmp_path / name).rename(tmp_path / folder / name)
    assert ferplus.recognise(open_tree(tmp_path))
    assert len(read(ferplus, tmp_path)[0]) == 1


def test_tables_in_different_orders_are_refused_with_the_agreement(tmp_path):
    labels = [(index % 7, "Training") for index in range(140)]
    emotions = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]

    def votes(shift):
        lines = []
        for index in range(len(labels)):
            row = dict.fromkeys(WORDS, 0)
            row[emotions[(index + shift * (index % 5 > 0)) % 7]] = 9
            lines.append(f"Training,a.png,{','.join(map(str, row.values()))}")
        return lines

    fer2013_csv(tmp_path / "fer2013.csv", fer2013_rows(labels))
    ferplus_csv(tmp_path / "fer2013new.csv", votes(0))
    assert len(read(ferplus, tmp_path)[0]) == 140
    ferplus_csv(tmp_path / "fer2013new.csv", votes(1))
    with pytest.raises(DataError, match=r"(?s)not in the same order.*agreement 0\.20 in 140 rows"):
        ferplus.announce(open_tree(tmp_path), clean_options())
