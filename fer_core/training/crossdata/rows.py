"""Which rows a training without one data set learns from, and the audit that none of them shows a
tested face.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import DataError

__all__ = ["Chosen", "Faces", "choose", "reason_against"]


@dataclass(frozen=True)
class Faces:
    """All kept rows, and what connects them.

    Attributes:
        dev: rows of the dev half.
        test: rows of the test half.
        learned: int64, numbers of the dev rows that students learn from where none is left out.
        set_name: named set that these are; None for all train rows.
        cluster_of: of `read_clusters`, over all rows of the manifest, the dropped ones too: a
            picture, photo or person may connect two rows by way of a third that has left.
    """

    dev: pd.DataFrame
    test: pd.DataFrame
    learned: np.ndarray
    set_name: str | None
    cluster_of: Mapping[str, str]

    def clusters(self, rows: pd.DataFrame) -> np.ndarray:
        """Name of the cluster of each row, object [N]."""
        ids = rows["sample_id"]
        return np.array([self.cluster_of.get(key, key) for key in ids], dtype=object)

    def clusters_of_source(self, source: str) -> set[str]:
        """Names of the clusters of several rows that hold one of the data set, kept or dropped."""
        links, mine = self.cluster_of.items(), f"{source}/"
        return {first for key, first in links if key.startswith(mine) or first.startswith(mine)}


@dataclass(frozen=True)
class Chosen:
    """Rows of one training, as numbers in the dev half, and what the audit saw.

    Attributes:
        train: int64, ascending, to learn from.
        val: int64, ascending, to choose the epoch by.
        audit: plain values for JSON: train, val and test rows looked at and the test rows'
            clusters; train and val rows that left because their cluster holds a test row; such rows
            that are left (0); and train rows that show a picture, photo or person of the data set
            left out, tested or not.
    """

    train: np.ndarray
    val: np.ndarray
    audit: dict[str, int]


def reason_against(source: str, faces: Faces, least: int) -> dict[str, Any] | None:
    """Why leaving a data set out would say nothing: number of rows and reason; None where it says
    something.

    Args:
        source: the data set.
        faces: all rows.
        least: test rows that it must have.

    Raises:
        DataError: the named set that students learn from is empty without it.
    """
    tested = int((faces.test["source"] == source).sum())
    mine = (faces.dev["source"] == source).to_numpy()[faces.learned]
    if mine.all() and faces.set_name is not None:
        raise DataError(
            "The named set that students learn from is empty without a data set.",
            where=f"params.yaml: sets.{faces.set_name}, cross_dataset.left_out",
            found=f"{len(mine)} train rows, all of {source}",
            remedy="widen the set, or take the data set off left_out",
        )
    if tested < least:
        few = f"fewer than {least} test rows" if tested else "no test rows"
        return {"n": tested, "reason": few}
    if not mine.any():
        return {"n": 0, "reason": "students learn from none of its rows in any case"}
    if mine.all():
        return {"n": 0, "reason": "without it no train row is left"}
    return None


def choose(left_out: str, faces: Faces) -> Chosen:
    """Rows of the training without a data set.

    Args:
        left_out: the data set; any other name leaves none out.
        faces: all rows.

    Raises:
        DataError: without the data set no train or no val row is left; or a row that shows a tested
            face is, after all.
    """
    dev, tested = faces.dev, set(faces.clusters(faces.test))
    cluster = faces.clusters(dev)
    others, shown = (dev["source"] != left_out).to_numpy(), pd.Series(cluster).isin(tested)
    learned = np.isin(np.arange(len(dev)), faces.learned)
    looked_at = {"train": learned & others, "val": (dev["split"] == "val").to_numpy() & others}
    kept = {name: np.flatnonzero(rows & ~shown) for name, rows in looked_at.items()}
    for name, rows in kept.items():
        if not len(rows):
            raise DataError(
                f"Without a data set no {name} row is left.",
                where="params.yaml: cross_dataset.left_out",
                found=left_out,
                remedy="take it off left_out, or give the other data sets such rows",
            )
    audit = {f"{name}_rows": int(rows.sum()) for name, rows in looked_at.items()}
    audit |= {"test_rows": len(faces.test), "test_clusters": len(tested)}
    audit |= {f"excluded_{name}": int((rows & shown).sum()) for name, rows in looked_at.items()}
    left = tested & {key for rows in kept.values() for key in cluster[rows]}
    if left or (dev["source"].to_numpy()[np.concatenate([*kept.values()])] == left_out).any():
        raise DataError("A training would see a tested face.", where=left_out, found=sorted(left))
    same = faces.clusters_of_source(left_out)
    audit |= {
        "remaining": len(left),
        "same_faces": sum(key in same for key in cluster[kept["train"]]),
    }
    return Chosen(kept["train"], kept["val"], audit)
