"""Checks of the gate that look at the whole manifest, each a function that gives a `Fault` for
everything that is wrong.

Nothing here trusts the manifest: what it says is compared with the stores.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from fer_core.base.absent import absent_classes
from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, INDEX, N_CLASSES
from fer_core.base.params import Section
from fer_core.dataset.assembly.leakage import find_leaks
from fer_core.dataset.assembly.near_duplicates import Twins
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate.fault import Fault, row_faults
from fer_core.dataset.pack.named_sets import SetFilter, select
from fer_core.dataset.pack.rows import SPLITS
from fer_core.dataset.store.store import FaceStore

__all__ = ["MinPerClass", "announced", "final_splits", "keys", "leaks", "minima", "sets"]

_SHARES = {
    "test": ("missing_test_fraction", 0.2),
    "val": ("val_fraction", 0.15),
    "calib": ("calib_fraction", 0.15),
}
"""Split -> the key that carves it where it is empty, and a value that suits small data sets."""

Count = Annotated[int, Field(ge=0)]


class MinPerClass(Section):
    """Least number of kept rows that every class must have in each split."""

    train: Count
    val: Count
    calib: Count
    test: Count


def keys(manifest: pd.DataFrame, missing: list[str]) -> list[Fault]:
    """Keys that occur twice, and faces of the stores that have none.

    Args:
        manifest: with `rank`, which is equal for equal keys.
        missing: keys of these faces.
    """
    twice = manifest["rank"].duplicated()
    return [
        *row_faults("unique id", manifest, twice, "the sample_id occurs more than once"),
        *(Fault("face store", key, "this face is not in the manifest") for key in missing),
    ]


def final_splits(manifest: pd.DataFrame, options: ManifestOptions) -> list[Fault]:
    """Test rows of a source are its test rows in the end, all and (unless test was to be carved)
    alone; its own val likewise.

    Args:
        manifest: with `stored_split` and `unlabelled`, what the stores say.
        options: section `manifest`.
    """
    stored, labelled = manifest["stored_split"], ~manifest["unlabelled"]
    test, val, train = (labelled & (stored == split) for split in ("test", "val", "train"))
    none = ~labelled | stored.isna() | (stored == "none")
    carved = list(options.carved_from(set(manifest.loc[test, "source"].unique())))
    own_val = manifest["source"].isin(manifest.loc[val, "source"].unique())
    final = manifest["split"]
    wrong = (
        (test & (final != "test"))
        | (none & (final != "dropped"))
        | (val & ~final.isin(["val", "dropped"]))
        | (
            train
            & (
                ((final == "test") & ~manifest["source"].isin(carved))
                | ((final == "val") & own_val)
            )
        )
    )
    trains = manifest["source"].isin(options.eval_only) & ~final.isin(["test", "dropped"])
    said = final[wrong].astype(str) + ", though the source says "
    only = final[trains].astype(str) + ", though the source is listed under eval_only"
    return [
        *row_faults(
            "split", manifest[wrong], wrong[wrong], said + stored[wrong].astype(object).map(str)
        ),
        *row_faults("split", manifest[trains], trains[trains], only),
    ]


def announced(stores: Mapping[str, FaceStore]) -> list[Fault]:
    """Every entry that a reader announced became a face of the same split and class, or a named
    exclusion.
    """
    faults = []
    words = [*CLASSES, "unlabelled"]
    for source, store in stores.items():
        announced = Counter(
            {
                (split, word): n
                for split, counts in store.meta["announced"].items()
                for word, n in counts.items()
            }
        )
        sizes = store.table(["split", "label"]).group_by(["split", "label"])
        counted = sizes.aggregate([([], "count_all")]).to_pydict()
        found = Counter(
            {
                (split, words[label]): n
                for split, label, n in sorted(zip(*counted.values(), strict=True))
            }
        )
        for split, word in sorted(key for key in found if found[key] > announced[key]):
            text = f"{found[split, word]} faces, the reader announced {announced[split, word]}"
            faults.append(Fault("announced", f"{source}/{split}/{word}", text))
        excluded = len(store.meta["exclusions"])
        if len(store) + excluded != announced.total():
            text = (
                f"{len(store)} faces and {excluded} exclusions, the reader announced "
                f"{announced.total()}"
            )
            faults.append(Fault("announced", source, text))
    return faults


def leaks(manifest: pd.DataFrame, twins: Twins) -> list[Fault]:
    """Kept rows of different splits that are twins or of one group.

    Args:
        manifest: with `face`: place of the row's face among those of `twins`, -1 for none.
        twins: the faces' twins.
    """
    chosen = ((manifest["split"] != "dropped") & (manifest["face"] >= 0)).to_numpy(dtype=bool)
    kept = manifest.loc[chosen, ["sample_id", "source", "group", "split"]]
    face = manifest["face"].to_numpy()[chosen]
    return [
        Fault(
            "leakage",
            leak.sample_id,
            f"{leak.split}, its {leak.kind} {leak.other_id} in {leak.other_split}",
        )
        for leak in find_leaks(kept, twins.exact[face], twins.cluster[face])
    ]


def minima(manifest: pd.DataFrame, least: MinPerClass) -> list[Fault]:
    """Classes with too few kept rows in a split, and rows of classes that are declared absent."""
    kept = manifest.loc[manifest["split"] != "dropped", "label"].to_numpy()
    absent = absent_classes()
    faults = [
        Fault("absent", name, f"{(kept == INDEX[name]).sum()} rows, but labels.absent lists it")
        for name in absent
        if (kept == INDEX[name]).any()
    ]
    for split in SPLITS:
        labels = manifest.loc[
            (manifest["split"] == split) & manifest["label"].between(0, N_CLASSES - 1), "label"
        ].to_numpy()
        wanted, share = getattr(least, split), _SHARES.get(split)
        for name, found in zip(CLASSES, np.bincount(labels, minlength=N_CLASSES), strict=True):
            if found < wanted and name not in absent:
                key = f"validate.min_per_class.{split}"
                remedy = (
                    f"`manifest.{share[0]}: {share[1]}` carves {split} rows from train"
                    if share and not len(labels)
                    else f"`{key}: {found}` lets it pass"
                )
                if not (kept == INDEX[name]).any() and len(kept):
                    remedy = f"`labels: {{absent: [{name}]}}` says that nobody has it"
                text = f"{found} rows, {key} is {wanted}; {remedy}"
                faults.append(Fault("minimum", f"{split}/{name}", text))
    return faults


def sets(
    manifest: pd.DataFrame, sets: Mapping[str, SetFilter]
) -> tuple[dict[str, int], list[Fault]]:
    """Rows of every named set, and a fault for each that has none or names what is not there.

    Args:
        manifest: with `rank`, whose order is that of `sample_id`.
        sets: section `sets`.
    """
    asked = ["split", "source", "label", "usage", "min_side", "confidence"]
    manifest = manifest[asked].assign(sample_id=manifest["rank"])
    rows, faults = {}, []
    for name, chosen in sets.items():
        try:
            rows[name] = int(select(manifest, chosen, name).sum())
            if chosen.rows not in (None, rows[name]):
                faults.append(
                    Fault(
                        "named set", name, f"{rows[name]} rows, sets.{name}.rows is {chosen.rows}"
                    )
                )
        except DataError as error:
            text = f"{error.problem} {error.found or ''}; {error.remedy}"
            faults.append(Fault("named set", name, " ".join(text.split())))
    return rows, faults
