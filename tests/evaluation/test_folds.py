import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from fer_core.errors import ArtifactError
from fer_core.evaluation.folds import stratified_group_folds


def case(seed: int, count: int, photos: int) -> tuple[list[str], np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    groups = [f"photo{i}" for i in rng.integers(0, photos, count)]
    return [f"expw/{i:05d}.png" for i in range(count)], rng.choice(7, count, p=[0.05, 0.02, 0.1, 0.4, 0.2, 0.13, 0.1]), groups


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
    assert all(len({f for f, g in zip(found, groups, strict=True) if g == group}) == 1 for group in groups)
    order = np.random.default_rng(seed).permutation(200)
    shuffled = stratified_group_folds([ids[i] for i in order], labels[order], [groups[i] for i in order], folds)
    np.testing.assert_array_equal(shuffled, found[order])


def test_groups_are_stratified_as_well_as_scikit_learns():
    ids, labels, groups = case(3, 2000, 700)

    def unevenness(folds: np.ndarray) -> float:
        table = np.array([np.bincount(labels[folds == f], minlength=7) for f in range(5)])
        return float((table.std(axis=0) / table.mean(axis=0)).mean())

    theirs = np.empty(2000, dtype=int)
    for f, (_, held) in enumerate(StratifiedGroupKFold(5).split(labels, labels, groups)):
        theirs[held] = f
    assert unevenness(stratified_group_folds(ids, labels, groups, 5)) < 1.2 * unevenness(theirs) + 0.01


def test_fewer_groups_than_folds_are_refused():
    ids, labels, groups = case(0, 50, 4)
    with pytest.raises(ArtifactError, match=r"4 groups of rows\n.*5 or more"):
        stratified_group_folds(ids, labels, groups, 5)
