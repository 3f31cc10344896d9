"""Carving: whole units, right shares, the same whatever the order of rows."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fer_core.base.labels import N_CLASSES
from fer_core.dataset.assembly.splits import carve, carve_sources, quotas

FRACTIONS = {"val": 0.2, "calib": 0.1}
units_and_labels = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 6)), min_size=1, max_size=80
)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([label for _, label in rows]), np.array(
        [f"unit{unit}" for unit, _ in rows], dtype=object
    )


@settings(max_examples=100, deadline=None)
@given(units_and_labels, st.integers(0, 5))
def test_units_stay_whole(rows: list[tuple[int, int]], seed: int) -> None:
    labels, units = arrays(rows)
    parts = carve(labels, units, FRACTIONS, seed)
    assert set(parts) <= {"train", "val", "calib"}
    assert all(len(set(parts[units == unit])) == 1 for unit in set(units))


@settings(max_examples=100, deadline=None)
@given(units_and_labels, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int]], random) -> None:  # type: ignore[no-untyped-def]
    labels, units = arrays(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    parts = carve(labels, units, FRACTIONS, 1337)
    assert carve(labels[order], units[order], FRACTIONS, 1337).tolist() == parts[order].tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=200))
def test_single_faces_are_carved_to_the_exact_quota_of_each_label(labels: list[int]) -> None:
    y = np.array(labels)
    parts = carve(y, np.array([f"u{i}" for i in range(len(y))], dtype=object), FRACTIONS, 7)
    totals = np.bincount(y, minlength=N_CLASSES)
    assume(
        (sum(quotas(totals, fraction) for fraction in FRACTIONS.values()) <= totals).all()
    )  # two parts may want a label's only row
    for part, fraction in FRACTIONS.items():
        assert (
            np.bincount(y[parts == part], minlength=N_CLASSES).tolist()
            == quotas(totals, fraction).tolist()
        )


@given(st.lists(st.integers(0, 1000), min_size=7, max_size=7), st.floats(0, 0.9))
def test_quotas_are_within_one_row_of_the_share_and_sum_to_it(
    totals: list[int], fraction: float
) -> None:
    rows = np.array(totals)
    quota = quotas(rows, fraction)
    assert (np.abs(quota - rows * fraction) < 1).all()
    assert abs(quota.sum() - rows.sum() * fraction) <= 0.5 + 1e-6
    assert (quota <= rows).all()


def test_the_seed_changes_who_is_carved() -> None:
    labels, units = np.zeros(200, dtype=int), np.array([f"u{i}" for i in range(200)], dtype=object)
    assert (
        carve(labels, units, FRACTIONS, 1).tolist() != carve(labels, units, FRACTIONS, 2).tolist()
    )


@pytest.mark.parametrize(("fraction", "rows"), [(0.2, 140), (0.13, 105), (0.12, 70), (0.03, 35)])
def test_large_units_give_a_split_as_near_its_share_as_they_can(fraction: float, rows: int) -> None:
    labels = np.tile(np.arange(7), 100)
    units = np.repeat([f"subject{i}" for i in range(20)], 35).astype(
        object
    )  # each has 5 rows of each label
    assert Counter(carve(labels, units, {"val": fraction}, 3)) == {"train": 700 - rows, "val": rows}


def frame(source: str, n: int, unit: str = "") -> pd.DataFrame:
    names = [unit or f"{source}/{i}" for i in range(n)]
    return pd.DataFrame({"source": source, "label": [i % 7 for i in range(n)], "unit": names})


def test_a_source_with_its_own_val_gives_calib_rows_only() -> None:
    rows = pd.concat([frame("a", 140), frame("b", 140)], ignore_index=True)
    rows["split"] = carve_sources(rows, {"a"}, 0.1, 0.1, {}, 1337)
    counts = rows.groupby("source")["split"].value_counts()
    assert counts["a"].to_dict() == {"train": 126, "calib": 14}
    assert counts["b"].to_dict() == {"train": 112, "val": 14, "calib": 14}


def test_another_source_does_not_move_the_rows_of_the_first() -> None:
    alone = carve_sources(frame("a", 140), set(), 0.1, 0.1, {}, 1337)
    both = carve_sources(
        pd.concat([frame("a", 140), frame("b", 70)], ignore_index=True), set(), 0.1, 0.1, {}, 1337
    )
    assert both[:140].tolist() == alone.tolist()


def test_a_source_without_test_gives_test_rows_where_a_share_is_set() -> None:
    rows = pd.concat([frame("a", 140), frame("b", 140)], ignore_index=True)
    rows["split"] = carve_sources(rows, set(), 0.1, 0.1, {"b": 0.2}, 1337)
    counts = rows.groupby("source")["split"].value_counts()
    assert counts["a"].to_dict() == {"train": 112, "val": 14, "calib": 14}
    assert counts["b"].to_dict() == {"train": 84, "test": 28, "val": 14, "calib": 14}


@pytest.mark.parametrize("seed", range(10))
def test_a_unit_across_sources_stays_in_train(seed: int) -> None:
    rows = pd.concat(
        [frame("a", 20), frame("a", 2, "shared"), frame("b", 2, "shared"), frame("b", 20)],
        ignore_index=True,
    )
    parts = carve_sources(rows, {"a"}, 0.4, 0.2, {"b": 0.3}, seed)
    assert set(parts[rows["unit"] == "shared"]) == {"train"}
    assert set(parts[rows["source"] == "a"]) == {"train", "calib"}
    assert set(parts[rows["source"] == "b"]) == {"train", "val", "calib", "test"}
