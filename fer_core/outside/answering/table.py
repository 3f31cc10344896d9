"""A table of logits by picture from elsewhere: checked whole before any of it is used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES
from fer_core.images.views import ViewOptions
from fer_core.outside.answering.network import log_probabilities
from fer_core.outside.described.options import OutsideEntry

__all__ = ["LogitsTable", "read_logits_table"]

_ID, _VIEW = "sample_id", "view"
_GREATEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class LogitsTable:
    """Logits by picture and view.

    Attributes:
        path: of the file.
        place: (sample_id, view) -> row; view 0 is the evaluation view.
        logits: float32 [rows, 7], in canonical class order.
        has_views: whether there is a column of views.
    """

    path: Path
    place: pd.Series
    logits: np.ndarray
    has_views: bool

    def of(self, sample_ids: list[str], view: int = 0) -> np.ndarray:
        """Logits of some pictures in a view, float32 [n, 7].

        Raises:
            DataError: the table misses one.
        """
        wanted = pd.MultiIndex.from_product([sample_ids, [view]])
        rows = self.place.reindex(wanted).to_numpy()
        if len(missing := np.flatnonzero(np.isnan(rows))):
            raise DataError(
                f"{len(missing)} of {len(sample_ids)} pictures are missing in this table of "
                "logits.",
                where=self.path,
                found=f"no row of {sample_ids[missing[0]]}, view {view}",
                expected="a row for each train, val, calib and test row of the pack"
                + (" and each view of each train row" if self.has_views else ""),
                remedy="add them; data/pack/dev/rows.parquet and data/pack/test/rows.parquet list "
                "the pictures, without those of student.unlabelled, which have no label",
            )
        return self.logits[rows.astype(np.int64)]


def read_logits_table(path: Path, entry: OutsideEntry, views: ViewOptions) -> LogitsTable:
    """Read and check the table that an entry of section `teachers` names.

    Args:
        path: .parquet or .csv.
        entry: how its columns are to be read.
        views: that its views must be of.

    Raises:
        DataError: no such table, other columns or another order of classes, a row given twice, a
            number that is missing, not finite or too great, or views of other options.
        ModelError: numbers that are no probabilities.
    """
    frame = _read(path)
    has_views = _VIEW in frame.columns
    expected = [_ID, *([_VIEW] if has_views else []), *CLASSES]
    if list(frame.columns) != expected:
        raise DataError(
            "These are not the columns of a table of logits, or their order is another.",
            where=path,
            found=", ".join(map(str, frame.columns)),
            expected=f"{_ID}, perhaps {_VIEW}, {', '.join(CLASSES)}",
            remedy="name and order them so, and take others out",
        )
    if has_views and entry.views != views.hash():
        raise DataError(
            "Nothing says that this table's views are those of section views.",
            where=path,
            found=f"views: {entry.views}",
            expected=f"views: {views.hash()}",
            remedy="state that hash in its entry in teachers once the table is of these views, or "
            f"take the column {_VIEW} out: the evaluation view's logits then serve all views",
        )
    view = _numbers(frame[[_VIEW]], path)[:, 0] if has_views else np.zeros(len(frame))
    ids = frame[_ID].to_numpy(dtype=object)
    place = pd.Series(
        np.arange(len(frame)), index=pd.MultiIndex.from_arrays([ids, view.astype(np.int64)])
    )
    if len(again := np.flatnonzero(place.index.duplicated())):
        raise DataError(
            f"{len(again)} rows of this table are given twice.",
            where=f"{path}: row {again[0]}",
            found=f"{ids[again[0]]}, view {int(view[again[0]])}",
            expected="each picture once, or once for each view",
            remedy="remove one of them",
        )
    values = _numbers(frame[list(CLASSES)], path)
    if entry.answers == "probabilities":
        values = log_probabilities(values, path)
    return LogitsTable(path, place, values.astype(np.float32), has_views)


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype={_ID: str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(
            "This table of logits cannot be read.",
            where=path,
            found=error,
            expected="a Parquet file, or comma-separated UTF-8 text with a header",
            remedy="check the file that its entry in teachers names",
        ) from error


def _numbers(columns: pd.DataFrame, path: Path) -> np.ndarray:
    """The values as float64, each of them one that float16 can hold."""
    numeric = columns.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.argwhere(~(np.abs(numeric) <= _GREATEST))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{len(wrong)} values of this table are no finite numbers.",
            where=f"{path}: row {row}, {columns.columns[column]}",
            found=columns.iloc[row, column],
            expected=f"a number within ±{_GREATEST:g}",
            remedy="correct the value, or leave the teacher out",
        )
    return numeric
