"""Which faces without labels a student may learn from: none that shows what a labelled row shows.

A frame that is a held-out row's twin, or of a video with such a frame, would tell the student of
test faces; one that is a train row's twin is there already, with a label of people.
"""

from collections.abc import Collection, Mapping
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from fer_core.base.errors import DataError
from fer_core.base.labels import SELF_LABELLED, UNLABELLED
from fer_core.base.params import Section
from fer_core.dataset.assembly.faces import load_faces, records_of
from fer_core.dataset.assembly.leakage import group_codes
from fer_core.dataset.assembly.manifest import twins_of
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.store.store import FaceStore

__all__ = ["UnlabelledOptions", "select_unlabelled"]


_STORED = ("group", "width", "height", "confidence")


class UnlabelledOptions(Section):
    """Section `student.unlabelled`: faces without labels, whose targets are the teachers' answers.

    Attributes:
        sources: data sets; of those that have labels too, the faces without are taken.
        min_confidence: faces of which the ensemble gives its answer less than this probability are
            left out.
        methods: students of these learn from them; None for all methods that learn from teachers.
    """

    sources: list[str] = Field(min_length=1)
    min_confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    methods: Annotated[list[str], Field(min_length=1)] | None = None


def select_unlabelled(
    manifest: pd.DataFrame,
    stores: Mapping[str, FaceStore],
    sources: Collection[str],
    options: ManifestOptions,
) -> pd.DataFrame:
    """Every face of `sources` without a label, and why it may not be learnt from.

    Args:
        manifest: with final splits.
        stores: of the manifest's sources, and of `sources`.
        sources: of the faces without labels.
        options: section `manifest`: which faces are twins, and whether flagged ones are dropped.

    Returns:
        Rows with the columns that `pack_half` reads, sorted by sample_id; `reason` is "" for those
        that may be learnt from, else non_face, twin_in_held_out, group_in_held_out (one of the same
        photo, video or person is held out, or the twin of a face that is), twin_in_train or
        repeated (the twin of an earlier face without a label); `split` and `usage` are set to
        train and self-labelled.

    Raises:
        DataError: the sources have no face without a label.
    """
    faces = load_faces(stores)
    free = faces["source"].isin(list(sources)) & (faces["label"] == UNLABELLED)
    if not free.any():
        raise DataError(
            "These data sets have no face without a label.",
            where="params.yaml: student.unlabelled.sources",
            found=", ".join(sources),
            remedy="name a data set of layout unlabelled (`fer data list` shows them)",
        )
    split_of = manifest.set_index("sample_id")["split"]
    split = faces["sample_id"].map(split_of).where(~free, "free").fillna("dropped")
    taking_part = (split != "dropped").to_numpy()
    faces, split = faces[taking_part].reset_index(drop=True), split[taking_part]
    split = split.reset_index(drop=True)
    cluster = pd.Series(twins_of(faces, stores, options).cluster)
    held = pd.Series(split.isin(["val", "calib", "test"]).to_numpy())
    learnt = pd.Series((split == "train").to_numpy())

    mine = faces[(split == "free").to_numpy()].copy()
    reason = pd.Series("", index=mine.index)
    flagged = (mine["flag"] != "") & (options.non_faces == "drop")
    own = cluster[mine.index]
    twin_held = own.map(held.groupby(cluster).any())
    group = pd.Series(group_codes(faces))
    held_out = held | cluster.map(held.groupby(cluster).any())  # itself, or a twin of such a row
    for why, which in (
        ("repeated", own[~flagged].duplicated().reindex(mine.index, fill_value=False)),
        ("twin_in_train", own.map(learnt.groupby(cluster).any())),
        ("group_in_held_out", group.map(held_out.groupby(group).any())[mine.index]),
        ("twin_in_held_out", twin_held),
        ("non_face", flagged),
    ):  # the last that applies is what is told
        reason[which.to_numpy(dtype=bool)] = why
    stored = records_of(mine, stores, [*_STORED]).set_axis(mine.index)
    found = mine.drop(columns="group").join(stored).astype({"source": "str", "flag": "str"})
    return found.assign(
        reason=reason,
        split="train",
        usage=SELF_LABELLED,
        duplicate_of="",
        votes=None,
        weight=np.float32(1),
        min_side=stored[["width", "height"]].min(axis=1),
    ).reset_index(drop=True)
