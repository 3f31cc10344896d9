"""Checks of the gate that look at one row at a time, each a function that gives a `Fault` for
everything that is wrong. Labels, splits and keys are compared with the stores.
"""

import numpy as np
import pandas as pd

from fer_core.base.labels import N_CLASSES, SELF_LABELLED
from fer_core.dataset.assembly.leakage import REASONS
from fer_core.dataset.gate.fault import Fault, row_faults
from fer_core.dataset.pack.rows import SPLITS

__all__ = ["agreement", "boxes", "decode_records", "learnt_labels", "paths", "values"]


def paths(manifest: pd.DataFrame) -> list[Fault]:
    """Paths or keys that leave their source."""
    ids, paths = (
        manifest["sample_id"],
        manifest[["sample_id", "image_path", "orig_image"]].fillna(""),
    )
    outside = pd.Series(False, index=manifest.index)
    for column in paths:
        outside |= (
            paths[column]
            .astype(str)
            .str.contains(r"^/|^[A-Za-z]:[\\/]|\\|(?:^|/)\.\.(?:/|$)", regex=True)
        )
    foreign = [
        not key.startswith(f"{source}/")
        for key, source in zip(ids, manifest["source"], strict=True)
    ]
    return [
        *row_faults("path", manifest, outside, "a path that is absolute or leaves its root"),
        *row_faults(
            "path",
            manifest,
            np.array(foreign, dtype=bool),
            "the sample_id does not begin with its source",
        ),
    ]


def values(manifest: pd.DataFrame) -> list[Fault]:
    """Values that are out of their range."""
    kept = manifest["split"] != "dropped"
    reason = manifest["reason"]
    votes = manifest["votes"]
    bad_votes = [
        v is not None
        and not (len(v) == N_CLASSES and np.isfinite(v).all() and (np.asarray(v) >= 0).all())
        for v in votes
    ]
    return [
        *row_faults(
            "label",
            manifest,
            kept & ~manifest["label"].between(0, N_CLASSES - 1),
            manifest["label"],
        ),
        *row_faults(
            "split", manifest, ~manifest["split"].isin([*SPLITS, "dropped"]), manifest["split"]
        ),
        *row_faults(
            "reason",
            manifest,
            ((reason == "") != kept) | ~reason.isin(["", *REASONS]),
            manifest["split"] + ": " + reason,
        ),
        *row_faults(
            "votes",
            manifest,
            np.array(bad_votes, dtype=bool),
            f"not {N_CLASSES} numbers of at least 0",
        ),
        *row_faults("weight", manifest, ~(manifest["weight"] > 0), manifest["weight"]),
    ]


def agreement(manifest: pd.DataFrame, stored: pd.DataFrame) -> list[Fault]:
    """Every manifest row is the store's row of that number."""
    absent = stored["sample_id"].isna()
    faults = row_faults("face store", manifest, absent, "no face store has this row")
    for column in ("sample_id", "label", "usage", "group", "width", "height"):
        differs = ~absent.to_numpy() & (
            manifest[column].to_numpy(dtype=object) != stored[column].to_numpy(dtype=object)
        )
        if differs.any():
            cells = (table.loc[differs, column] for table in (manifest, stored))
            said, there = (cell.convert_dtypes().map(str) for cell in cells)  # 0, not 0.0
            found = f"{column} " + said + ", in the store " + there
            faults += row_faults("face store", manifest[differs], differs[differs], found)
    return faults


def learnt_labels(manifest: pd.DataFrame, stored: pd.DataFrame) -> list[Fault]:
    """A label that a network gave is for train rows alone."""
    final = manifest["split"]
    wrong = (stored["usage"] == SELF_LABELLED) & ~final.isin(["train", "dropped"])
    return row_faults("split", manifest, wrong, final + ", though a network gave the label")


def decode_records(manifest: pd.DataFrame, stored: pd.DataFrame) -> list[Fault]:
    """Faces without a record that they were decoded."""
    proven = (
        stored["pixel_sha256"].fillna("").str.fullmatch(r"[0-9a-f]{64}")
        & (manifest["width"] > 0)
        & (manifest["height"] > 0)
    )
    side = manifest["min_side"] != manifest[["width", "height"]].min(axis=1)
    return [
        *row_faults("decode", manifest, ~proven, "no record that this image was decoded"),
        *row_faults("decode", manifest, side, "min_side is not the shorter side"),
    ]


def boxes(manifest: pd.DataFrame) -> list[Fault]:
    """A box has four sides or none, they are in order, and the box meets its photo (a reader clips
    what sticks out).
    """
    box = manifest[["bbox_top", "bbox_left", "bbox_bottom", "bbox_right"]]
    given = box.notna()
    top, left, bottom, right = (box[name].to_numpy(dtype=float, na_value=0) for name in box)
    whole = given.all(axis=1).to_numpy()
    sound = (bottom > np.maximum(top, 0)) & (right > np.maximum(left, 0))
    wrong = (given.any(axis=1).to_numpy() & ~whole) | (whole & ~sound)
    found = pd.Series(
        [
            f"top, left, bottom, right {sides}"
            for sides in zip(*(box[name] for name in box), strict=True)
        ]
    )
    return row_faults("box", manifest, wrong, found)
