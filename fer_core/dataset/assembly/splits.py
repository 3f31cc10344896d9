"""Carving val and calib (and test, for a source that has none) out of train: by label, whole units,
seeded, in whatever row order.

A unit is what must stay together: all faces of a photo or subject and all twins of these. Nothing
re-splits after the manifest.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from fer_core.base.labels import N_CLASSES

__all__ = ["carve", "carve_sources", "quotas"]

_CHUNK = 65536  # names that are Python strings at a time


def carve_sources(
    train: pd.DataFrame,
    with_val: set[str],
    val_fraction: float,
    calib_fraction: float,
    test_fraction: Mapping[str, float],
    seed: int,
) -> np.ndarray:
    """Final split of every kept train row of all sources.

    Each source gives its own shares. A unit that reaches over several sources stays in train, which
    is right for all of them.

    Args:
        train: columns `source`, `label`, `unit` (string).
        with_val: sources that bring a val split of their own; they give calib rows only.
        val_fraction: share of a source's rows that becomes val.
        calib_fraction: share of a source's rows that becomes calib.
        test_fraction: source -> share of its rows that becomes test.
        seed: the experiment's seed.

    Returns:
        object [N] of "train", "val", "calib" and "test".
    """
    units, sources = (pd.factorize(train[name])[0] for name in ("unit", "source"))
    least = np.full(len(train), len(train))
    most = np.full(len(train), -1)
    np.minimum.at(least, units, sources)
    np.maximum.at(most, units, sources)
    one_source = (least == most)[units]
    split = np.full(len(train), "train", dtype=object)
    for source in sorted(train["source"].unique()):
        mine = one_source & (train["source"] == source).to_numpy()
        val = 0.0 if source in with_val else val_fraction
        shares = {"test": test_fraction.get(source, 0.0), "val": val, "calib": calib_fraction}
        rows = train[mine]
        split[mine] = carve(rows["label"].to_numpy(), rows["unit"], shares, seed)
    return split


def carve(
    labels: np.ndarray, units: np.ndarray | pd.Series, fractions: Mapping[str, float], seed: int
) -> np.ndarray:
    """Give each part its fraction of the rows, label by label, as nearly as whole units allow; the
    rest is "train".

    Units are ranked by a hash of seed and name. A part first takes, in that order, every unit that
    fits into what it still lacks of each label; then those that bring it nearer to its quotas
    although they overshoot one of them.

    Args:
        labels: int [N], canonical class indices.
        units: strings [N], the unit of each row.
        fractions: part name to share of the rows, in the order in which parts choose.
        seed: changes the ranking.

    Returns:
        object [N]: the part of each row.
    """
    code, names = pd.factorize(units)
    counts = np.zeros((len(names), N_CLASSES), dtype=np.int64)
    np.add.at(counts, (code, labels), 1)
    ranked = _ranked(pd.Index(names), seed)
    part_of_unit = np.full(len(names), "train", dtype=object)
    totals = counts.sum(axis=0)
    for part, fraction in fractions.items():
        free = ranked[part_of_unit[ranked] == "train"]
        part_of_unit[_choose(counts, free, quotas(totals, fraction))] = part
    return part_of_unit[code]


def _ranked(names: pd.Index, seed: int) -> np.ndarray:
    """Numbers of the names in the order of a hash of each with the seed, int64."""
    digests = bytearray()
    for start in range(0, len(names), _CHUNK):
        for name in names[start : start + _CHUNK]:
            digests += hashlib.sha256(f"{seed}/{name}".encode()).digest()
    words = np.frombuffer(digests, dtype=">u8").reshape(-1, 4)
    return np.lexsort(words.T[::-1])


def quotas(totals: np.ndarray, fraction: float) -> np.ndarray:
    """Rows of each label that make up `fraction` of `totals` (int [C]): largest remainders, so that
    the sum is right as well.
    """
    exact = totals * fraction
    whole = np.floor(exact).astype(np.int64)
    missing = round(float(exact.sum())) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[: max(missing, 0)]] += 1
    return whole


def _choose(counts: np.ndarray, ranked: np.ndarray, quota: np.ndarray) -> list[int]:
    """Units whose label counts [U, C] add up to about `quota` [C]."""
    lacking = quota.copy()
    chosen: list[int] = []
    passed_over: list[int] = []
    for unit in ranked.tolist():
        if not lacking.any():
            break  # no unit is empty, so none fits
        if (counts[unit] <= lacking).all():
            lacking -= counts[unit]
            chosen.append(unit)
        else:
            passed_over.append(unit)
    for unit in passed_over:
        if not (lacking > 0).any():
            break
        if np.abs(lacking - counts[unit]).sum() < np.abs(lacking).sum():
            lacking -= counts[unit]
            chosen.append(unit)
    return chosen
