import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.folds import OutOfFold, stratified_group_folds, train_folds
from fer_core.dataset.pack.named_sets import SetFilter, TrainSet


def case(seed: int, count: int, photos: int) -> tuple[list[str], np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    groups = [f"photo{i}" for i in rng.integers(0, photos, count)]
    return (
        [f"expw/{i:05d}.png" for i in range(count)],
        rng.choice(7, count, p=[0.05, 0.02, 0.1, 0.4, 0.2, 0.13, 0.1]),
        groups,
    )


def test_single_rows_are_dealt_in_the_order_of_their_hashes():
    ids = [f"rafdb/{i}.png" for i in range(6)]
    found = stratified_group_folds(ids, np.zeros(6, dtype=int), ids, 3)
    ranked = sorted(range(6), key=lambda i: hashlib.sha256(ids[i].encode()).hexdigest())
    assert found[ranked].tolist() == [0, 1, 2, 0, 1, 2]


def test_every_label_of_single_rows_is_spread_evenly():
    ids, labels, _ = case(0, 703, 1)
    found = stratified_group_folds(ids, labels, ids, 5)
    for label in range(7):
        counts = np.bincount(found[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.bincount(found).max() - np.bincount(found).min() <= 7


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_large_group_is_placed_first_so_that_single_rows_can_even_it_out(seed):
    ids = [f"expw/{seed}-{i}.png" for i in range(200)]
    found = stratified_group_folds(ids, np.zeros(200, dtype=int), ["film"] * 50 + ids[50:], 5)
    assert sorted(np.bincount(found).tolist()) == [37, 37, 38, 38, 50]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8))
@example(210, 2)
def test_groups_stay_whole_no_fold_is_empty_and_the_order_of_rows_plays_no_part(seed, folds):
    ids, labels, groups = case(seed, 200, 60)
    found = stratified_group_folds(ids, labels, groups, folds)
    assert sorted(set(found.tolist())) == list(range(folds))
    assert all(
        len({f for f, g in zip(found, groups, strict=True) if g == group}) == 1 for group in groups
    )
    order = np.random.default_rng(seed).permutation(200)
    shuffled = stratified_group_folds(
        [ids[i] for i in order], labels[order], [groups[i] for i in order], folds
    )
    np.testing.assert_array_equal(shuffled, found[order])


def test_groups_are_stratified_as_well_as_scikit_learns():
    ids, labels, groups = case(3, 2000, 700)

    def unevenness(folds: np.ndarray) -> float:
        table = np.array([np.bincount(labels[folds == f], minlength=7) for f in range(5)])
        return float((table.std(axis=0) / table.mean(axis=0)).mean())

    theirs = np.empty(2000, dtype=int)
    for f, (_, held) in enumerate(StratifiedGroupKFold(5).split(labels, labels, groups)):
        theirs[held] = f
    assert (
        unevenness(stratified_group_folds(ids, labels, groups, 5)) < 1.2 * unevenness(theirs) + 0.01
    )


def test_fewer_groups_than_folds_are_refused():
    ids, labels, groups = case(0, 50, 4)
    with pytest.raises(ArtifactError, match=r"4 groups of rows\n.*5 or more"):
        stratified_group_folds(ids, labels, groups, 5)


def dev_rows() -> pd.DataFrame:
    """90 train rows in photos of three faces, small and large ones by turns, between val and calib
    rows.
    """
    frame = pd.DataFrame(
        {"sample_id": [f"expw/{i:03d}.png" for i in range(120)], "label": np.arange(120) % 7}
    )
    frame["split"] = [
        "val" if i % 8 == 0 else "calib" if i % 8 == 4 else "train" for i in range(120)
    ]
    frame["group"] = [f"photo-{i // 3}" for i in range(120)]
    return frame.assign(
        source="expw", usage="", min_side=np.where(np.arange(120) % 2, 96, 48), confidence=1.0
    )


def test_each_train_row_is_left_out_once_and_its_photo_with_it():
    frame = dev_rows()
    train = np.flatnonzero(frame["split"] == "train")
    fold_of = train_folds(frame, 3)
    assert set(fold_of[train]) == {0, 1, 2}
    assert (np.delete(fold_of, train) == -1).all()
    for fold in range(3):
        learnt = OutOfFold(None, fold, 3).rows(frame)
        assert sorted([*learnt, *np.flatnonzero(fold_of == fold)]) == train.tolist()
        assert not set(frame["group"].iloc[learnt]) & set(frame["group"].iloc[fold_of == fold])


def test_of_a_named_set_only_its_rows_outside_the_fold_are_learnt():
    frame = dev_rows()
    large = TrainSet("large", SetFilter(split=["train", "val"], min_side=64))
    chosen = OutOfFold(large, 1, 4)
    rows = chosen.rows(frame)
    assert set(rows) == set(large.rows(frame)) & set(OutOfFold(None, 1, 4).rows(frame))
    assert 0 < len(rows) < len(large.rows(frame))
    assert chosen.to_dict() == {
        "fold": 1,
        "folds": 4,
        "of": {"name": "large", "split": ["train", "val"], "min_side": 64},
    }


def test_more_folds_than_photos_is_an_error():
    frame = dev_rows().assign(group="one photo")
    with pytest.raises(ArtifactError, match="not enough rows"):
        train_folds(frame, 2)
