"""Full-size label lists in the right and in a wrong order. The counts are typed again here, in each
list's own order of ids.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.sources.catalogue.official_counts import ALL_SPLITS, OFFICIAL, check_official_counts
from fer_core.sources.files.tree import open_tree
from fer_core.sources.layouts.expw import READER as expw
from fer_core.sources.layouts.fer2013 import READER as fer2013
from fer_core.sources.layouts.rafdb_basic import READER as rafdb_basic
from fer_core.sources.layouts.rafdb_compound import NAMES
from fer_core.sources.layouts.rafdb_compound import READER as rafdb_compound
from fer_core.sources.layouts.rafml import READER as rafml
from fer_core.sources.reading.reader import Reader
from tests.sources.trees import clean_options

RAF_TRAIN = [
    1290,
    281,
    717,
    4772,
    1982,
    705,
    2524,
]  # Surprise, Fear, Disgust, Happy, Sad, Angry, Neutral
RAF_TEST = [329, 74, 160, 1185, 478, 162, 680]
AFFECTNET_IDS = [
    4,
    5,
    6,
    2,
    3,
    7,
    1,
]  # of the same classes where 1 is Neutral, then Happy, Sad, Surprise, Fear, Disgust, Angry
COMPOUND = [697, 266, 129, 163, 86, 738, 150, 560, 176, 841, 148]
FER2013 = [("Training", [3995, 436, 4097, 7215, 4830, 3171, 4965])]
FER2013 += [
    ("PublicTest", [467, 56, 496, 895, 653, 415, 607]),
    ("PrivateTest", [491, 55, 528, 879, 594, 416, 626]),
]
EXPW = [3671, 3995, 1088, 30537, 10559, 7060, 34883]


def announce(reader: Reader, root: Path) -> dict[str, dict[str, int]]:
    return reader.announce(open_tree(root), clean_options())


def raf_list(root: Path, train: list[int], test: list[int], ids: list[int]) -> Path:
    """A list without pictures: the n-th count stands at the n-th id."""
    lines = [
        f"{split}_{number:05}.jpg {identifier}"
        for split, counts in (("train", train), ("test", test))
        for number, identifier in enumerate(
            identifier for identifier, count in zip(ids, counts, strict=True) for _ in range(count)
        )
    ]
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


def fer2013_table(root: Path, parts: list[tuple[str, list[int]]], ids: list[int]) -> Path:
    rows = [
        f"{identifier},0,{usage}\n"
        for usage, counts in parts
        for identifier, count in zip(ids, counts, strict=True)
        for _ in range(count)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(rows))
    return root


@pytest.mark.parametrize("layout", OFFICIAL)
def test_every_row_adds_up_to_its_total_and_names_known_classes(layout):
    names = set(NAMES) if layout == "rafdb_compound" else set(CLASSES)
    for part in OFFICIAL[layout]:
        assert sum(part.counts.values()) == part.total, part.part
        assert set(part.counts) == names
        assert part.split in ("train", "val", "test", ALL_SPLITS)


def test_parts_add_up_to_the_published_sizes_of_the_data_sets():
    totals = {layout: [part.total for part in parts] for layout, parts in OFFICIAL.items()}
    assert sum(totals["rafdb_basic"]) == 15339
    assert totals["rafdb_compound"] == [3162 + 792]
    assert totals["fer2013"] == [28709, 3589, 3589, 3589 + 3589]
    assert totals["expw"] == [91793]
    train, val, _ = OFFICIAL["affectnet"]
    assert train.total + train.others[1] == 287651  # with contempt
    assert (
        train.total + train.others[2] + val.total + val.others[2] == 420299
    )  # everything that was annotated by hand


def test_full_raf_list_in_the_official_order_is_read(tmp_path):
    announced = announce(
        rafdb_basic, raf_list(tmp_path, RAF_TRAIN, RAF_TEST, [1, 2, 3, 4, 5, 6, 7])
    )
    assert announced["train"]["Fear"] == 281 and announced["test"]["Neutral"] == 680


def test_full_raf_list_in_affectnets_order_is_refused(tmp_path):
    raf_list(tmp_path, RAF_TRAIN, RAF_TEST, AFFECTNET_IDS)
    with pytest.raises(DataError, match=r"label order.*RAF-DB basic train.*permutation") as caught:
        announce(rafdb_basic, tmp_path)
    assert "list_patition_label.txt" in str(caught.value.where)
    assert (
        caught.value.expected
        == "Angry 705, Disgust 717, Fear 281, Happy 4772, Sad 1982, Surprise 1290, Neutral 2524"
    )
    assert (
        caught.value.found
        == "Angry 717, Disgust 1982, Fear 4772, Happy 1290, Sad 281, Surprise 2524, Neutral 705"
    )


def test_one_moved_label_in_a_full_list_is_no_permutation(tmp_path):
    raf_list(tmp_path, RAF_TRAIN, [328, 75, 160, 1185, 478, 162, 680], [1, 2, 3, 4, 5, 6, 7])
    with pytest.raises(DataError, match=r"label order.*RAF-DB basic test") as caught:
        announce(rafdb_basic, tmp_path)
    assert "permutation" not in caught.value.problem
    assert (
        caught.value.found
        == "Angry 162, Disgust 160, Fear 75, Happy 1185, Sad 478, Surprise 328, Neutral 680"
    )


def test_subset_with_its_classes_in_any_order_passes(tmp_path):
    announce(
        rafdb_basic,
        raf_list(tmp_path, [30] * 7, [74, 329, 160, 1185, 478, 162, 679], [1, 2, 3, 4, 5, 6, 7]),
    )


def test_compound_ids_are_checked_over_both_splits_together_and_before_the_mapping(tmp_path):
    train = [count * 4 // 5 for count in COMPOUND]
    train[0] += 3162 - sum(train)
    test = [count - part for count, part in zip(COMPOUND, train, strict=True)]
    announced = announce(
        rafdb_compound, raf_list(tmp_path / "right", train, test, list(range(1, 12)))
    )
    assert {
        word: announced["train"][word] + announced["test"][word] for word in announced["train"]
    } == {
        "Happy": 963,
        "Sad": 1116,
        "Fear": 710,
        "Angry": 1017,
        "Disgust": 148,
    }
    swapped = raf_list(tmp_path / "swapped", train, test, [1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11])
    with pytest.raises(
        DataError, match=r"(?s)label order.*permutation.*Sadly Surprised 738.*Sadly Surprised 86"
    ):
        announce(rafdb_compound, swapped)  # both become Sad: the classes alone would not show it


@pytest.mark.parametrize(
    "usages",
    [["Training"], ["PublicTest"], ["PrivateTest"], ["Training", "PublicTest", "PrivateTest"]],
)
def test_fer2013_tables_with_any_of_the_official_parts_are_read_and_in_another_order_refused(
    tmp_path, usages
):
    parts = [(usage, counts) for usage, counts in FER2013 if usage in usages]
    announced = announce(fer2013, fer2013_table(tmp_path / "right", parts, [0, 1, 2, 3, 4, 5, 6]))
    assert sum(sum(counts.values()) for counts in announced.values()) == sum(
        sum(counts) for _, counts in parts
    )
    fer2013_table(
        tmp_path / "alphabetical", parts, [0, 1, 2, 3, 5, 6, 4]
    )  # Angry Disgust Fear Happy Neutral Sad Surprise
    with pytest.raises(DataError, match=r"label order.*FER2013.*permutation"):
        announce(fer2013, tmp_path / "alphabetical")


def test_full_expw_list_in_rafs_order_is_refused(tmp_path):
    def listed(ids: list[int]) -> Path:
        labels = (
            identifier for identifier, count in zip(ids, EXPW, strict=True) for _ in range(count)
        )
        (tmp_path / "label.lst").write_text(
            "".join(f"{number}.jpg 0 1 1 9 9 50 {label}\n" for number, label in enumerate(labels))
        )
        return tmp_path

    assert announce(expw, listed([0, 1, 2, 3, 4, 5, 6]))["train"]["Fear"] == 1088
    with pytest.raises(DataError, match=r"(?s)label order.*ExpW.*permutation.*label\.lst"):
        announce(expw, listed([5, 2, 1, 3, 4, 0, 6]))


@pytest.mark.parametrize(
    "others",
    [{}, {"contempt": 500}, {"contempt": 500, "none": 500, "uncertain": 500, "no-face": 500}],
)
def test_affectnet_validation_is_known_with_and_without_its_other_words(others):
    right = dict.fromkeys(CLASSES, 500) | others
    check_official_counts("affectnet", {"val": right}, "val.csv")
    check_official_counts("affectnet", {"val": right | {"Fear": 430}}, "val.csv")  # another edition
    with pytest.raises(DataError, match="label order"):
        check_official_counts("affectnet", {"val": right | {"Fear": 430, "Happy": 570}}, "val.csv")


def test_affectnet_training_with_contempt_read_as_fear_is_refused():
    counts = {
        "Neutral": 74874,
        "Happy": 134415,
        "Sad": 25459,
        "Surprise": 14090,
        "Fear": 6378,
        "Disgust": 3803,
        "Angry": 24882,
    }
    check_official_counts("affectnet", {"train": counts}, "train.csv")
    check_official_counts("affectnet", {"train": counts | {"contempt": 3750}}, "train.csv")
    with pytest.raises(DataError, match=r"label order.*AffectNet training"):
        check_official_counts(
            "affectnet", {"train": counts | {"Fear": 3750, "contempt": 6378}}, "train.csv"
        )


@given(st.permutations(CLASSES))
def test_every_other_order_of_the_classes_is_refused(order):
    counts = dict(zip(CLASSES, [162, 160, 74, 1185, 478, 329, 680], strict=True))
    permuted = {name: counts[other] for name, other in zip(CLASSES, order, strict=True)}
    if permuted == counts:
        check_official_counts("rafdb_basic", {"test": permuted}, "list")
    else:
        with pytest.raises(DataError, match="permutation"):
            check_official_counts("rafdb_basic", {"test": permuted}, "list")


@pytest.mark.parametrize(
    ("train", "test", "fits"), [(3926, 982, True), (982, 3926, False), (3900, 982, True)]
)
def test_whole_rafml_with_its_flags_the_other_way_round_is_refused(tmp_path, train, test, fits):
    names = [f"{number}.jpg" for number in range(train + test)]
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel/distribution.txt").write_text(
        "".join(f"{name} 1 0 0 0 0 0\n" for name in names)
    )
    flags = "".join(f"{name} {int(number >= train)}\n" for number, name in enumerate(names))
    (tmp_path / "EmoLabel/partition_label.txt").write_text(flags)
    if fits:
        assert announce(rafml, tmp_path)["train"] == {"Surprise": train}
    else:
        with pytest.raises(
            DataError, match=r"(?s)as many entries as RAF-ML has, divided.*train 982, test 3926"
        ):
            announce(rafml, tmp_path)


def test_splits_of_whole_folder_editions_are_checked_and_other_sizes_pass():
    uniform = {
        split: dict.fromkeys(CLASSES, rows // 7)
        for split, rows in (("train", 112000), ("val", 14000), ("test", 14000))
    }
    check_official_counts("folder7", uniform, "folder")
    check_official_counts("folder7", {"train": {"Happy": 100}}, "folder")
    for merged in (
        {"train": {"Happy": 126000}, "test": {"Happy": 14000}},
        {"train": {"Happy": 57414 + 14350}},
    ):
        with pytest.raises(DataError, match="divided in another way"):
            check_official_counts("folder7", merged, "folder")


def test_whole_ferplus_with_other_votes_is_refused():
    right = {
        "Angry": 2100,
        "Disgust": 119,
        "Fear": 532,
        "Happy": 7287,
        "Sad": 3014,
        "Surprise": 3149,
        "Neutral": 8740,
    }
    others = {"contempt": 119, "unknown": 3499, "no face": 150}
    check_official_counts("ferplus, majority", {"train": right | others}, "table")
    check_official_counts("ferplus, probability", {"train": others | {"Happy": 24941}}, "table")
    with pytest.raises(DataError, match="FERPlus Training"):
        check_official_counts(
            "ferplus, majority", {"train": right | others | {"Fear": 533, "Sad": 3013}}, "table"
        )
