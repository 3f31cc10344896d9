"""Named sets: filters over rows, declared in the section `sets` of params.yaml.

A set of val, train or calib rows serves training; a set of test rows is evaluated. No set crosses
the two halves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from fer_core.base.errors import DataError, ParamsError
from fer_core.base.params import Params, Section

__all__ = [
    "NamedSets",
    "SetFilter",
    "TrainSet",
    "a_few_of_each",
    "evaluated_sets",
    "leave_unlearned_out",
    "load_train_set",
    "select",
    "train_set_of",
]


class SetFilter(Section):
    """Rows that meet every condition given; `null` is no condition.

    Attributes:
        split: final splits; null means test.
        sources: data sets.
        without: data sets that are left out.
        usage: the source's own words, such as "PrivateTest".
        min_side: least length of the shorter side, in pixels.
        min_confidence: least confidence of the face detector; rows that carry none pass.
        most_per_class: of each data set and class at most so many rows, the largest first, then
            those of which the detector is surest.
        rows: how many rows the set must have; the gate closes on any other number.
    """

    split: list[Literal["train", "val", "calib", "test"]] | None = Field(None, min_length=1)
    sources: list[str] | None = Field(None, min_length=1)
    without: list[str] | None = Field(None, min_length=1)
    usage: list[str] | None = Field(None, min_length=1)
    min_side: Annotated[int, Field(ge=1)] | None = None
    min_confidence: float | None = None
    most_per_class: Annotated[int, Field(ge=1)] | None = None
    rows: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_half(self) -> "SetFilter":
        if self.split and "test" in self.split and len(set(self.split)) > 1:
            raise ValueError("a set holds test rows or rows of other splits, never both")
        return self

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits it may take rows from."""
        return tuple(self.split or ["test"])

    def may_hold(self, source: str) -> bool:
        """Whether the filters on data sets let it pass."""
        return source in (self.sources or [source]) and source not in (self.without or [])


NamedSets = dict[str, SetFilter]
"""The model of the section `sets`."""


def evaluated_sets(sets: Mapping[str, SetFilter]) -> dict[str, SetFilter]:
    """The sets that are evaluated: those of test rows."""
    return {name: chosen for name, chosen in sets.items() if chosen.splits == ("test",)}


def select(frame: pd.DataFrame, chosen: SetFilter, name: str = "set") -> np.ndarray:
    """Which rows belong to a set.

    Args:
        frame: columns `sample_id`, `split`, `source`, `label`, `usage`, `min_side`, `confidence`.
        chosen: the filter.
        name: of the set, for the error text.

    Returns:
        bool [N].

    Raises:
        DataError: a source or usage that no row of these splits has, or a set without rows.
    """
    mask = frame["split"].isin(chosen.splits)
    filters = (
        ("source", chosen.sources, True),
        ("source", chosen.without, False),
        ("usage", chosen.usage, True),
    )
    for column, wanted, keep in filters:
        if wanted is None:
            continue
        present = set(frame.loc[mask, column].unique())
        if unknown := [value for value in wanted if value not in present]:
            raise DataError(
                f"The set {name} names a {column} that has no rows in {', '.join(chosen.splits)}.",
                where=f"params.yaml: sets.{name}",
                found=unknown,
                expected=f"some of {sorted(present)}",
                remedy="correct the name, or add the data set to manifest.sources",
            )
        mask &= frame[column].isin(wanted) == keep
    if chosen.min_side is not None:
        mask &= frame["min_side"] >= chosen.min_side
    if chosen.min_confidence is not None:
        mask &= ~(frame["confidence"] < chosen.min_confidence)
    if chosen.most_per_class is not None:
        mask &= _best(frame[mask], chosen.most_per_class).reindex(frame.index, fill_value=False)
    if not mask.any():
        raise DataError(
            f"The set {name} is empty.",
            where=f"params.yaml: sets.{name}",
            found=chosen.model_dump(exclude_none=True),
            remedy="widen it",
        )
    return mask.to_numpy(dtype=bool)


def _best(frame: pd.DataFrame, most: int) -> pd.Series:
    """Whether a row is among the best of its data set and class, bool; ties go by sample_id."""
    ordered = frame.sort_values(
        ["min_side", "confidence", "sample_id"], ascending=[False, False, True], na_position="last"
    )
    return ordered.groupby(["source", "label"]).cumcount() < most


@dataclass(frozen=True)
class TrainSet:
    """A named set that is trained on: of its rows, those of the train split.

    Attributes:
        name: of the set.
        chosen: its filter.
    """

    name: str
    chosen: SetFilter

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """Numbers of the rows to learn from, int64, ascending.

        Args:
            frame: rows of the dev half, with the columns that `select` reads.

        Raises:
            DataError: as `select`, or none of the set's rows is a train row.
        """
        rows = np.flatnonzero(
            select(frame, self.chosen, self.name) & (frame["split"] == "train").to_numpy()
        )
        if not len(rows):
            raise DataError(
                f"The set {self.name} has no train rows to learn from.",
                where=f"params.yaml: sets.{self.name}",
                found=self.chosen.model_dump(exclude_none=True),
                remedy="give it split: [train]",
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Name and filter as plain values."""
        return {"name": self.name, **self.chosen.model_dump(mode="json", exclude_none=True)}


def leave_unlearned_out(frame: pd.DataFrame, learned: Iterable[TrainSet]) -> pd.DataFrame:
    """The rows without those train rows that are of none of these sets.

    A set that takes the best rows of each class takes the same ones from what is left.

    Raises:
        DataError: as `TrainSet.rows`.
    """
    keep = (frame["split"] != "train").to_numpy(copy=True)
    for one in learned:
        keep[one.rows(frame)] = True
    return frame[keep]


def a_few_of_each(frame: pd.DataFrame, sets: Mapping[str, SetFilter], most: int) -> pd.DataFrame:
    """The first rows by sample_id of each split, data set and class, and of these in every named
    set, so that none becomes empty.

    Args:
        frame: rows of a manifest, with the columns that `select` reads.
        sets: section `sets`.
        most: rows of each.

    Raises:
        DataError: as `select`.
    """
    ordered = frame.sort_values("sample_id")
    masks = [
        np.ones(len(ordered), dtype=bool),
        *(select(ordered, chosen, name) for name, chosen in sets.items()),
    ]
    keep = pd.Series(False, index=ordered.index)
    for mask in masks:
        place = ordered[mask].groupby(["split", "source", "label"]).cumcount()
        keep[place.index[place < most]] = True
    return frame[keep.reindex(frame.index)]


def load_train_set(params: Params, name: str | None) -> TrainSet | None:
    """The set of params.yaml that a stage is told to train on; None, all train rows, where it is
    told none.

    Raises:
        ParamsError: no such set, or one without train rows.
    """
    return None if name is None else train_set_of(name, params.section("sets", NamedSets))


def train_set_of(name: str, sets: Mapping[str, SetFilter]) -> TrainSet:
    """The set of this name, to be trained on.

    Raises:
        ParamsError: no such set, or one without train rows.
    """
    if name not in sets or "train" not in sets[name].splits:
        able = [known for known, chosen in sets.items() if "train" in chosen.splits]
        raise ParamsError(
            "No named set of train rows has this name.",
            where="params.yaml: sets",
            found=name,
            expected=", ".join(able) or "one with split: [train]",
            remedy="correct the name, or declare the set",
        )
    return TrainSet(name, sets[name])
