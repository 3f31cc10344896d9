from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.sample.options import SampleOptions
from fer_core.sample.plan import plan_rows

SHARES = {0: 0.14, 1: 0.03, 2: 0.13, 3: 0.3, 4: 0.15, 5: 0.1, 6: 0.15}


def sample_options(*values):
    return SampleOptions(**dict(zip(SampleOptions.model_fields, values, strict=False)))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    faces=st.integers(60, 400),
    duplicates=st.integers(0, 6),
    contradictions=st.integers(0, 4),
    non_faces=st.integers(0, 8),
)
def test_every_count_is_kept(seed, faces, duplicates, contradictions, non_faces):
    options = sample_options(seed, faces, 0.2, duplicates, contradictions, non_faces)
    rows = plan_rows(options, "x", ("train", "val", "test"), SHARES)
    kinds = Counter(row.kind for row in rows)
    assert (kinds["face"], kinds["copy"], kinds["contradiction"]) == (
        faces,
        duplicates,
        contradictions,
    )
    assert kinds["blank"] + kinds["text"] == non_faces
    assert len({row.number for row in rows if row.kind == "face"}) == faces
    tests = Counter(row.split for row in rows if row.kind == "face")
    assert tests["val"] == tests["test"] == round(0.2 * faces)
    assert all(
        {row.emotion for row in rows if row.split == split and row.kind == "face"} == set(range(7))
        for split in ("train", "val", "test")
    )


def test_copies_are_train_rows_of_a_test_face_with_its_label():
    rows = plan_rows(sample_options(1, 100, 0.2, 5, 0, 0), "x", ("train", "test"), SHARES)
    faces = {row.number: row for row in rows if row.kind == "face"}
    copies = [row for row in rows if row.kind == "copy"]
    assert len({row.number for row in copies}) == 5
    assert all(
        row.split == "train"
        and faces[row.number].split == "test"
        and row.label == faces[row.number].label
        for row in copies
    )


def test_contradictions_are_train_rows_of_a_train_face_with_another_label():
    rows = plan_rows(sample_options(1, 200, 0.2, 0, 8, 0, 0.5), "x", ("train", "test"), SHARES)
    faces = {row.number: row for row in rows if row.kind == "face"}
    argued = [row for row in rows if row.kind == "contradiction"]
    assert len({row.number for row in argued}) == 8
    assert all(
        row.split == faces[row.number].split == "train" and row.label != faces[row.number].label
        for row in argued
    )


def test_layout_without_test_split_still_has_copies():
    rows = plan_rows(sample_options(1, 100, 0.2, 4, 4, 0), "x", ("train",), SHARES)
    numbers = [row.number for row in rows if row.kind in ("copy", "contradiction")]
    assert len(set(numbers)) == 8


def test_classes_are_as_imbalanced_as_asked_in_each_split():
    rows = plan_rows(sample_options(1, 1000, 0.3, 0, 0, 0, 0.0), "x", ("train", "test"), SHARES)
    for split, total in (("train", 700), ("test", 300)):
        counts = Counter(row.label for row in rows if row.split == split)
        assert all(abs(counts[label] - share * total) <= 1 for label, share in SHARES.items())


@pytest.mark.parametrize(("noise", "low", "high"), [(0.0, 0, 0), (0.1, 0.07, 0.13)])
def test_label_noise_is_the_share_of_wrong_labels(noise, low, high):
    rows = plan_rows(sample_options(1, 2000, 0.2, 0, 0, 0, noise), "x", ("train", "test"), SHARES)
    assert low <= sum(row.label != row.emotion for row in rows) / 2000 <= high


def test_rows_are_shuffled_within_splits_that_follow_each_other():
    rows = plan_rows(sample_options(1, 200), "x", ("train", "test"), SHARES)
    splits = [row.split for row in rows]
    assert splits == sorted(splits, key=("train", "test").index)
    labels = [row.label for row in rows if row.split == "train"]
    assert sum(a == b for a, b in pairwise(labels)) < 0.4 * len(labels)
