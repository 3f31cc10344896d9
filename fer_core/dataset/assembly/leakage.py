"""Drops rows that would leak between splits, and verifies independently that none remain.

The order of the rules: rows that no split can use; rows of sources that only evaluate; non-faces;
val and train rows with a twin or group member in test; train rows with one in val; train twins that
contradict each other; train twins that merely repeat. Test rows always stay, because official
test sets are only comparable when whole.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from fer_core.base.labels import SELF_LABELLED, UNLABELLED
from fer_core.base.params import Section

__all__ = [
    "REASONS",
    "TWIN_REASONS",
    "Leak",
    "TwinOptions",
    "drop_leaks",
    "find_leaks",
    "group_codes",
    "usable",
]

REASONS = (
    "unlabelled",
    "no_split",
    "eval_only",
    "self_labelled",
    "non_face",
    "twin_in_test",
    "group_in_test",
    "twin_in_val",
    "group_in_val",
    "contradictory_twins",
    "duplicate_in_train",
)
TWIN_REASONS = ("twin_in_test", "twin_in_val", "contradictory_twins", "duplicate_in_train")


class TwinOptions(Section):
    """What happens to faces that show the same picture.

    Attributes:
        across_splits: a train or val row with a twin or group member in a split that is held out
            leaves ("drop"); or it stays and the gate closes ("fail"), or it stays and the gate
            counts it ("report").
        contradictory: train twins to which one source gives different labels all leave ("drop"),
            only the minority leaves ("majority"; all where no label has most rows), or all stay
            ("keep"). Where sources contradict each other, the preferred one is believed, unless
            "keep": rows of another label leave even if repeated twins stay.
        repeated: of train twins the first stays ("drop"), or all ("keep").
    """

    across_splits: Literal["drop", "fail", "report"]
    contradictory: Literal["drop", "majority", "keep"]
    repeated: Literal["drop", "keep"]


@dataclass(frozen=True)
class Leak:
    """Two kept rows of different splits that are `kind` ("exact twin", "near twin" or "group") of
    each other.
    """

    kind: str
    sample_id: str
    split: str
    other_id: str
    other_split: str


def usable(faces: pd.DataFrame) -> np.ndarray:
    """Bool [N]: the faces with a label and a split. Others can neither leak nor link twins."""
    return ((faces["label"] != UNLABELLED) & (faces["split"] != "none")).to_numpy(dtype=bool)


def group_codes(faces: pd.DataFrame) -> np.ndarray:
    """Int64 [N]: equal numbers mean one group of one source; groups of different sources never meet
    by name.
    """
    source, group = (pd.factorize(faces[name])[0] for name in ("source", "group"))
    return pd.factorize(source * (group.max(initial=-1) + 1) + group)[0].astype(np.int64)


def drop_leaks(
    faces: pd.DataFrame,
    cluster: np.ndarray,
    drop_non_faces: bool,
    twins: TwinOptions,
    eval_only: Collection[str] = (),
) -> pd.DataFrame:
    """Decide which rows stay, before anything is carved.

    Args:
        faces: columns `sample_id`, `source`, `preference` (int, 0 the most preferred source),
            `label`, `split` (as the source says: train, val, test, none), `usage`, `group`, `flag`;
            sorted by sample_id, index 0..N-1.
        cluster: int64 [N], twin clusters.
        drop_non_faces: flagged train and val rows leave.
        twins: section `manifest.twins`.
        eval_only: sources of which no train or val row stays.

    Returns:
        Frame like `faces` with `split` (train, val, test or dropped), `reason` ("" for rows that
            stay) and `duplicate_of`: the row because of which this one left, or the earlier twin of
            a row that stays in val or test.
    """
    state = faces[["sample_id", "source", "preference", "label", "split"]].copy()
    state["split"] = state["split"].astype("str")
    state["reason"], state["duplicate_of"] = "", ""
    state["cluster"], state["group"] = cluster, group_codes(faces)
    _drop(state, state["split"] == "none", "no_split")
    _drop(state, faces["label"] == UNLABELLED, "unlabelled")
    _drop(state, faces["source"].isin(list(eval_only)) & (state["split"] != "test"), "eval_only")
    if drop_non_faces:
        _drop(state, (faces["flag"] != "") & (state["split"] != "test"), "non_face")
    guessed = faces["usage"] == SELF_LABELLED
    told = state.loc[~guessed & (state["split"] != "dropped"), "cluster"]
    _drop(state, guessed & state["cluster"].isin(told), "self_labelled")  # no guess against people
    if twins.across_splits == "drop":
        for held, losers in (("test", ("train", "val")), ("val", ("train",))):
            for key, word in (("cluster", "twin"), ("group", "group")):
                _drop_beside(state, key, held, losers, f"{word}_in_{held}")
    if twins.contradictory != "keep":
        _drop_contradictions(state, keep_majority=twins.contradictory == "majority")
    repeated = _earlier_twin(state, "train")
    if twins.repeated == "drop":
        _drop(state, repeated.notna(), "duplicate_in_train", repeated)
    elif twins.contradictory != "keep":
        believed = repeated.map(state.set_index("sample_id")["label"])
        _drop(
            state, believed.notna() & (believed != state["label"]), "contradictory_twins", repeated
        )
    for split in ("train", "val", "test"):
        twin = _earlier_twin(state, split)
        state["duplicate_of"] = twin.where(twin.notna(), state["duplicate_of"])
    return faces.assign(
        split=state["split"], reason=state["reason"], duplicate_of=state["duplicate_of"]
    )


def find_leaks(kept: pd.DataFrame, exact: np.ndarray, cluster: np.ndarray) -> list[Leak]:
    """Every group and every twin cluster whose kept rows are in more than one split: one leak for
    each, by its first rows.

    Args:
        kept: columns `sample_id`, `source`, `group`, `split` (train, val, calib, test), any order.
        exact: int64 [N], clusters of equal pixels.
        cluster: int64 [N], clusters of exact and near twins; a cluster already named as exact is
            not named again.
    """
    leaks: list[Leak] = []
    seen: set[tuple[str, str]] = set()
    split, splits = pd.factorize(kept["split"])
    for kind, key in (("exact twin", exact), ("near twin", cluster), ("group", group_codes(kept))):
        held = np.unique(key * len(splits) + split) // max(len(splits), 1)
        leaking = np.isin(key, held[1:][held[1:] == held[:-1]])
        rows = kept.loc[leaking, ["sample_id", "split"]].assign(key=key[leaking])
        firsts = rows.sort_values("sample_id").drop_duplicates(["key", "split"])
        for _, members in firsts[firsts.duplicated("key", keep=False)].groupby("key"):
            (one, one_split), (other, other_split) = members[["sample_id", "split"]].to_numpy()[:2]
            if (one, other) not in seen:
                seen.add((one, other))
                leaks.append(Leak(kind, one, one_split, other, other_split))
    return leaks


def _drop(state: pd.DataFrame, who: pd.Series, reason: str, twin: pd.Series | None = None) -> None:
    """Mark rows as dropped; a row that left before keeps its first reason."""
    who = who & (state["reason"] == "")
    state.loc[who, ["split", "reason"]] = ["dropped", reason]
    if twin is not None:
        state.loc[who, "duplicate_of"] = twin[who]


def _drop_beside(
    state: pd.DataFrame, key: str, held: str, losers: tuple[str, ...], reason: str
) -> None:
    """Rows of the losing splits leave when a row of split `held` shares their key."""
    holder = state[state["split"] == held].drop_duplicates(key).set_index(key)["sample_id"]
    beside = state[key].map(holder)
    _drop(state, state["split"].isin(losers) & beside.notna(), reason, beside)


def _drop_contradictions(state: pd.DataFrame, keep_majority: bool) -> None:
    """Train twins to which one source gives different labels leave: all of them, or those outside
    the majority.
    """
    train = state[state["split"] == "train"]
    keys = ["cluster", "source"]
    at_odds = train[train.groupby(keys)["label"].transform("nunique") > 1]
    if at_odds.empty:
        return
    other = pd.Series("", index=state.index, dtype=object)
    for _, members in at_odds.groupby(keys):
        labels = members["label"].to_numpy()
        most = members["label"].value_counts()
        winner = most.index[0] if keep_majority and most.iloc[0] > most.iloc[1] else UNLABELLED
        for index, label in zip(members.index, labels, strict=True):
            if label != winner:
                other[index] = members["sample_id"].iloc[
                    int(np.argmax(labels == winner if winner != UNLABELLED else labels != label))
                ]
    _drop(state, other != "", "contradictory_twins", other)


def _earlier_twin(state: pd.DataFrame, split: str) -> pd.Series:
    """For each row of the split, the twin of it that comes first by preference of source, then by
    name; NaN for firsts.
    """
    rows = state[state["split"] == split].sort_values("preference", kind="stable")
    first = rows.drop_duplicates("cluster").set_index("cluster")["sample_id"]
    later = rows[rows.duplicated("cluster")]
    return later["cluster"].map(first).reindex(state.index)
