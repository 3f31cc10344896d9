"""What the data are, in numbers: everything that the data sheet counts, and the file
`datasheet.json`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.labels import CLASSES
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore
from fer_core.report.datasheet.faces import DROPPED

__all__ = ["SIZE_EDGES", "count_faces"]

_SCHEMA = "datasheet/1"

SIZE_EDGES = tuple(dict.fromkeys(round(2 ** (half / 2)) for half in range(63)))
"""Lower ends of the bins of image sizes, in pixels: 1, 2, 3, 4, 6, 8, 11, 16, …, two to a
doubling.
"""


def count_faces(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], manifest_sha256: str
) -> dict[str, Any]:
    """All counts, as values that JSON can express; sources, splits, reasons and classes in their
    own order.

    Args:
        faces: as `datasheet_faces` gives them.
        stores: the face stores they are in.
        manifest_sha256: of the manifest's file.

    Returns:
        `schema`, `manifest_sha256`, `classes`; `faces`: how many are kept, dropped and excluded;
        `kept`: source -> split -> class -> rows; `dropped`: source -> reason -> rows; `excluded`:
            source -> reason -> entries;
        `flagged`: source -> flag -> rows kept and dropped; `sizes` of kept rows, shorter side in
        pixels: `edges` of the bins, and for each source the rows of each `bins`, `smallest`,
        `median`, `greatest`; `twins`: see `_twins`.
    """
    kept = faces[faces["split"] != DROPPED]
    excluded = {
        source: Counter(item["reason"] for item in store.meta["exclusions"])
        for source, store in stores.items()
    }
    return {
        "schema": _SCHEMA,
        "manifest_sha256": manifest_sha256,
        "classes": list(CLASSES),
        "faces": {
            "kept": len(kept),
            "dropped": len(faces) - len(kept),
            "excluded": sum(reasons.total() for reasons in excluded.values()),
        },
        "kept": {
            source: {
                split: _counts(rows.loc[rows["split"] == split, "class"], CLASSES)
                for split in SPLITS
            }
            for source, rows in _by_source(kept, stores)
        },
        "dropped": {
            source: _counts(rows["reason"], _present(faces["reason"], REASONS))
            for source, rows in _by_source(faces, stores)
        },
        "excluded": {source: dict(sorted(reasons.items())) for source, reasons in excluded.items()},
        "flagged": {source: _flagged(rows) for source, rows in _by_source(faces, stores)},
        "sizes": _sizes(kept, stores),
        "twins": _twins(faces, stores),
    }


def _by_source(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore]
) -> list[tuple[str, pd.DataFrame]]:
    return [(source, faces[faces["source"] == source]) for source in stores]


def _counts(values: pd.Series, keys: tuple[str, ...]) -> dict[str, int]:
    found = values.value_counts()
    return {key: int(found.get(key, 0)) for key in keys}


def _present(values: pd.Series, keys: tuple[str, ...]) -> tuple[str, ...]:
    found = set(values.unique())
    return tuple(key for key in keys if key in found)


def _flagged(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    stays = rows["split"] != DROPPED
    return {
        flag: {
            "kept": int((stays & (rows["flag"] == flag)).sum()),
            "dropped": int((~stays & (rows["flag"] == flag)).sum()),
        }
        for flag in sorted(set(rows["flag"].unique()) - {""})
    }


def _sizes(kept: pd.DataFrame, stores: Mapping[str, FaceStore]) -> dict[str, Any]:
    """Histograms over the bins between the smallest and the greatest image of all; a source without
    kept rows has none.
    """
    if kept.empty:
        return {"edges": [], "sources": {}}
    place = np.searchsorted(SIZE_EDGES, kept["min_side"].to_numpy(), side="right") - 1
    first, last = int(place.min()), int(place.max())
    sources = {}
    for source in stores:
        mine = (kept["source"] == source).to_numpy()
        if mine.any():
            sides = kept["min_side"].to_numpy()[mine]
            sources[source] = {
                "bins": np.bincount(place[mine] - first, minlength=last - first + 1).tolist(),
                "smallest": int(sides.min()),
                "median": float(np.median(sides)),
                "greatest": int(sides.max()),
            }
    return {"edges": list(SIZE_EDGES[first : last + 2]), "sources": sources}


def _twins(faces: pd.DataFrame, stores: Mapping[str, FaceStore]) -> dict[str, Any]:
    """Rows that name another one because of which they left, or beside which they stay.

    Returns:
        `dropped`: reason -> counts, `kept`: split -> counts, each with `faces`, how many of them
        are of an `other_class` than the row they name, and how many of an `other_source`;
        `because_of`: source of the dropped row -> source of the named row -> rows.
    """
    rows = faces[faces["twin"] >= 0]
    named = faces.iloc[rows["twin"].to_numpy()]
    pairs = pd.DataFrame(
        {
            "reason": rows["reason"].to_numpy(),
            "split": rows["split"].to_numpy(),
            "source": rows["source"].to_numpy(dtype=object),
            "because_of": named["source"].to_numpy(dtype=object),
            "other_class": rows["label"].to_numpy() != named["label"].to_numpy(),
        }
    )
    pairs["other_source"] = pairs["source"] != pairs["because_of"]
    left = pairs[pairs["reason"] != ""]
    return {
        "dropped": {
            reason: _pair_counts(left[left["reason"] == reason])
            for reason in _present(left["reason"], REASONS)
        },
        "kept": {
            split: _pair_counts(pairs[(pairs["reason"] == "") & (pairs["split"] == split)])
            for split in _present(pairs.loc[pairs["reason"] == "", "split"], SPLITS)
        },
        "because_of": {
            source: _counts(left.loc[left["source"] == source, "because_of"], tuple(stores))
            for source in _present(left["source"], tuple(stores))
        },
    }


def _pair_counts(pairs: pd.DataFrame) -> dict[str, int]:
    return {
        "faces": len(pairs),
        "other_class": int(pairs["other_class"].sum()),
        "other_source": int(pairs["other_source"].sum()),
    }
