"""The rows of one half of the pack: the table that every later artifact is aligned with.

An artifact made from rows stores the sha256 of the `rows.parquet` it came from; readers refuse
other rows.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.base.labels import N_CLASSES
from fer_core.dataset.pack.tables import read_table, write_table

__all__ = ["ROWS_FILE", "ROWS_SCHEMA", "SPLITS", "Rows", "read_rows", "write_rows"]

ROWS_FILE = "rows.parquet"
SPLITS = ("train", "val", "calib", "test")
"""The final splits. Early stopping uses val, temperatures and fusion weights calib; test is only
reported.
"""
_KIND = "rows/1"

ROWS_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("usage", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("shard", pa.int16(), nullable=False),
        pa.field("shard_row", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("min_side", pa.int32(), nullable=False),
        pa.field("confidence", pa.float32()),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("votes", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Rows:
    """Rows in ascending order of `sample_id`.

    Attributes:
        frame: the columns of `ROWS_SCHEMA`, index 0..N-1.
        sha256: of the file they were read from.
    """

    frame: pd.DataFrame
    sha256: str

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def sample_ids(self) -> list[str]:
        """The key of every row."""
        return self.frame["sample_id"].tolist()

    @cached_property
    def labels(self) -> np.ndarray:
        """Canonical class indices, int8 [N]."""
        return self.frame["label"].to_numpy(dtype=np.int8)

    def split(self, *names: str) -> np.ndarray:
        """Numbers of the rows of these splits, int64, ascending: `rows.split("train")`.

        Raises:
            ValueError: no such split.
        """
        if unknown := set(names) - set(SPLITS):
            raise ValueError(f"unknown split {sorted(unknown)}, expected some of {SPLITS}")
        return np.flatnonzero(self.frame["split"].isin(names).to_numpy())


def write_rows(path: Path, frame: pd.DataFrame) -> None:
    """Write `rows.parquet`; the rows must be sorted, unique and labelled.

    Raises:
        ArtifactError: they are not, or do not fit `ROWS_SCHEMA`.
    """
    _check(frame, path)
    write_table(path, frame, ROWS_SCHEMA, _KIND)


def read_rows(path: Path) -> Rows:
    """Read the rows of a `rows.parquet`, or of the half of the pack it lies in.

    Raises:
        ArtifactError: missing, damaged, of another schema or class order, not unique and sorted, or
            with a foreign label or split.
    """
    file = path / ROWS_FILE if path.is_dir() else path
    frame = read_table(file, ROWS_SCHEMA, _KIND)
    _check(frame, file)
    return Rows(frame, sha256_file(file))


def _check(frame: pd.DataFrame, where: Path) -> None:
    ids = frame["sample_id"]
    if not ids.is_unique:
        raise ArtifactError(
            "Rows are not unique.",
            where=where,
            found=ids[ids.duplicated()].iloc[0],
            expected="each sample_id once",
        )
    if not ids.is_monotonic_increasing:
        raise ArtifactError("Rows are not sorted by sample_id.", where=where)
    if len(wrong := frame[~frame["label"].between(0, N_CLASSES - 1)]):
        raise ArtifactError(
            "A row has no canonical label.",
            where=f"{where}: {wrong['sample_id'].iloc[0]}",
            found=wrong["label"].iloc[0],
        )
    if len(wrong := frame[~frame["split"].isin(SPLITS)]):
        raise ArtifactError(
            "A row has an unknown split.",
            where=f"{where}: {wrong['sample_id'].iloc[0]}",
            found=wrong["split"].iloc[0],
            expected=SPLITS,
        )
