"""The manifest's rows: checked against the stores part by part, and what is kept of them for the
checks that need all rows, about 70 bytes of each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import union_categoricals

from fer_core.base.labels import UNLABELLED
from fer_core.dataset.assembly.faces import records_of
from fer_core.dataset.gate import row_checks
from fer_core.dataset.gate.fault import Fault
from fer_core.dataset.store.store import FaceStore

__all__ = ["CheckedRows", "among", "check_rows", "places"]

_WORDS = ["source", "split", "reason", "usage", "stored_split"]
_KEPT = [
    *("sample_id", "source", "row", "label", "split", "reason", "usage", "group"),
    *("duplicate_of", "min_side", "confidence"),
]
_STORED = [
    *("sample_id", "label", "split", "usage", "group", "width", "height", "pixel_sha256"),
]


@dataclass(frozen=True)
class CheckedRows:
    """What is kept of a manifest's rows.

    Attributes:
        table: the columns that later checks need, in the order of the rows, words as categories in
            alphabetical order; `group` as int32 that is equal where the groups are; `rank`, the
            place of `sample_id` among all of them, int32, equal where they are; `stored_split`
            and `unlabelled`, what the stores say.
        missing: keys of faces of the stores that no row has, sorted.
        faults: those that a row shows by itself.
    """

    table: pd.DataFrame
    missing: list[str]
    faults: list[Fault]


def check_rows(parts: Iterable[pd.DataFrame], stores: Mapping[str, FaceStore]) -> CheckedRows:
    """Check the rows of a manifest that comes in parts."""
    kept, faults = [], []
    met = {source: np.zeros(len(store), dtype=bool) for source, store in stores.items()}
    for part in parts:
        part = part.reset_index(drop=True)
        stored = records_of(part, stores, _STORED)
        faults += [
            *row_checks.paths(part),
            *row_checks.values(part),
            *row_checks.agreement(part, stored),
            *row_checks.learnt_labels(part, stored),
            *row_checks.decode_records(part, stored),
            *row_checks.boxes(part),
        ]
        said = {"stored_split": stored["split"], "unlabelled": stored["label"] == UNLABELLED}
        rows = part[_KEPT].assign(**said)
        kept.append(rows.assign(**{name: pd.Categorical(rows[name]) for name in _WORDS}))
        same = part[(part["sample_id"] == stored["sample_id"]).to_numpy(dtype=bool)]
        for source, seen in met.items():
            seen[same.loc[same["source"] == source, "row"]] = True
    table = pd.DataFrame(
        {
            name: union_categoricals([rows[name] for rows in kept], sort_categories=True)
            if name in _WORDS
            else pd.concat([rows[name] for rows in kept], ignore_index=True)
            for name in kept[0]
        }
    )
    del kept
    table["group"] = pd.factorize(table["group"])[0].astype(np.int32)
    rank = pc.rank(pa.array(table["sample_id"], pa.large_string()), tiebreaker="dense")
    table["rank"] = rank.to_numpy().astype(np.int32)
    pa.default_memory_pool().release_unused()  # else most of the parts would still take memory
    return CheckedRows(table, _missing(table["sample_id"], stores, met), faults)


def _missing(
    known: pd.Series, stores: Mapping[str, FaceStore], met: Mapping[str, np.ndarray]
) -> list[str]:
    """Keys of the faces that no row of the manifest has, sorted.

    Args:
        known: keys of the manifest.
        stores: the face stores.
        met: store -> bool [rows], the faces of which a row says both place and key.
    """
    keys = [
        store.frame(["sample_id"], np.flatnonzero(~met[source]))["sample_id"]
        for source, store in stores.items()
    ]
    doubtful = pd.concat(keys, ignore_index=True)
    elsewhere = known[among(known, doubtful)]
    return sorted(doubtful[~among(doubtful, elsewhere)].tolist())


def among(keys: pd.Series, wanted: pd.Series) -> np.ndarray:
    """Bool [N]: whether each key is one of the wanted ones, without making Python's text of any."""
    there, asked = (pa.array(texts, pa.large_string()) for texts in (keys, wanted))
    return np.asarray(pc.is_in(there, value_set=asked), dtype=bool)


def places(table: pd.DataFrame, faces: pd.DataFrame, stores: Mapping[str, FaceStore]) -> np.ndarray:
    """Place in `faces` of the face that each row of the manifest is, int32 [N]; -1 for none."""
    found = np.full(len(table), -1, dtype=np.int32)
    rows = table["row"].to_numpy()
    for source, store in stores.items():
        theirs = np.flatnonzero(faces["source"] == source)
        place = np.full(len(store), -1, dtype=np.int32)
        place[faces["row"].to_numpy()[theirs]] = theirs
        mine = np.flatnonzero((table["source"] == source) & (rows >= 0) & (rows < len(store)))
        found[mine] = place[rows[mine]]
    return found
