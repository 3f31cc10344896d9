"""What the data are, in numbers: the report of the gate, with the keys of the original system first
and ours after them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.dataset.assembly.near_duplicates import Twins
from fer_core.dataset.gate.rows import among
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore
from fer_core.sources.catalogue.faces import UNDECODABLE

__all__ = ["data_figures", "original_figures"]


def original_figures(manifest: pd.DataFrame, stores: Mapping[str, FaceStore]) -> dict[str, Any]:
    """The numbers under the keys that the original system's report has.

    `rows_valid` and `counts` are of kept rows; `bad_labels` counts kept rows without one of the
    seven classes; `missing_paths` is 0 by construction, because a face store holds its images.
    """
    kept = manifest.loc[manifest["split"] != "dropped", ["source", "split", "label"]]
    canonical = kept["label"].between(0, N_CLASSES - 1)
    failed = sum(
        entry["reason"] == UNDECODABLE
        for store in stores.values()
        for entry in store.meta["exclusions"]
    )
    table = kept[canonical].groupby(["source", "split", "label"]).size().reset_index(name="rows")
    by_label: dict[str, dict[str, dict[str, int]]] = {}
    for source, split, label, rows in table.itertuples(index=False):
        by_label.setdefault(source, {}).setdefault(split, {})[CLASSES[label]] = int(rows)
    return {
        "rows_total": len(manifest),
        "rows_valid": int(canonical.sum()),
        "bad_labels": int((~canonical).sum()),
        "missing_paths": 0,
        "decode": {"attempted": len(manifest) + failed, "ok": len(manifest), "fail": failed},
        "counts": {"by_source": _counted(kept["source"]), "by_source_split_label": by_label},
        "canonical": list(CLASSES),
    }


def data_figures(
    manifest: pd.DataFrame, eligible: pd.DataFrame, twins: Twins, stores: Mapping[str, FaceStore]
) -> dict[str, Any]:
    """Our numbers.

    Args:
        manifest: the manifest, with `face`: place of the row's face in `eligible`, -1 for none.
        eligible: the faces with label and split, columns `sample_id`, `source`, `row`, `label`,
            `split`, `usage`, `flag`.
        twins: of `eligible`.
        stores: the listed sources.
    """
    dropped = manifest.loc[manifest["split"] == "dropped", ["source", "reason"]]
    repeated = manifest.loc[
        (manifest["split"] == "dropped") & (manifest["reason"] == "duplicate_in_train"),
        ["label", "duplicate_of"],
    ]
    named = among(manifest["sample_id"], repeated["duplicate_of"])
    labels = manifest.loc[named, ["sample_id", "label"]].set_index("sample_id")["label"]
    kept_label = labels[~labels.index.duplicated()].reindex(repeated["duplicate_of"]).to_numpy()
    by_split = manifest["split"].value_counts()
    return {
        "rows_by_split": {split: int(by_split.get(split, 0)) for split in (*SPLITS, "dropped")},
        "dropped": {
            "by_reason": _counted(dropped["reason"]),
            "by_source_reason": {
                source: _counted(rows["reason"]) for source, rows in dropped.groupby("source")
            },
        },
        "exclusions": {
            source: dict(
                sorted(Counter(entry["reason"] for entry in store.meta["exclusions"]).items())
            )
            for source, store in stores.items()
        },
        "usages": {source: _counted(rows["usage"]) for source, rows in eligible.groupby("source")},
        "non_faces": _counted(eligible.loc[eligible["flag"] != "", "source"]),
        "twins": {
            "exact": _groups(eligible, twins.exact),
            "exact_and_near": _groups(eligible, twins.cluster),
            "near_candidates": twins.candidates,
            "near_pairs": twins.near_pairs,
            "mirrored_pairs": twins.mirrored_pairs,
            "by_source": {
                source: {
                    "exact": _groups(rows, twins.exact[rows.index]),
                    "exact_and_near": _groups(rows, twins.cluster[rows.index]),
                }
                for source, rows in eligible.groupby("source")
            },
            "relabelled_by_preference": int((repeated["label"].to_numpy() != kept_label).sum()),
            "repeats_kept": _counted(
                manifest.loc[
                    (manifest["split"] != "dropped") & (manifest["duplicate_of"] != ""), "split"
                ]
            ),
            "contradictions_kept": _contradictions(manifest, eligible, twins.cluster),
        },
        "notes": {source: store.meta.get("notes", {}) for source, store in stores.items()},
    }


def _contradictions(
    manifest: pd.DataFrame, eligible: pd.DataFrame, cluster: np.ndarray
) -> dict[str, int]:
    """Groups of twins with several labels among the kept rows of each split."""
    chosen = (manifest["split"] != "dropped") & (manifest["face"] >= 0)
    face = manifest["face"].to_numpy()[chosen.to_numpy(dtype=bool)]
    kept = pd.DataFrame(
        {
            "split": manifest.loc[chosen, "split"].array,
            "cluster": cluster[face],
            "label": eligible["label"].to_numpy()[face],
        }
    )
    kept = kept[kept.duplicated("cluster", keep=False)]
    found = kept.groupby(["split", "cluster"])["label"].nunique() > 1
    return _counted(found[found].index.get_level_values("split").to_series())


def _groups(rows: pd.DataFrame, key: np.ndarray) -> dict[str, int]:
    """Groups of two and more twins, the copies beyond the first, groups with several labels or
    usages, the size of the largest.
    """
    sizes = np.bincount(pd.factorize(key)[0])
    shared = pd.Series(key).duplicated(keep=False).to_numpy()
    by_group = rows[["label", "usage"]][shared].groupby(key[shared]).nunique()
    return {
        "groups": len(by_group),
        "extra_copies": int(shared.sum()) - len(by_group),
        "contradictory_groups": int((by_group["label"] > 1).sum()),
        "across_usages": int((by_group["usage"] > 1).sum()),
        "largest": int(sizes.max(initial=0)),
    }


def _counted(values: pd.Series) -> dict[str, int]:
    counted = values.value_counts().sort_index()
    return {str(value): int(rows) for value, rows in counted.items() if rows}
