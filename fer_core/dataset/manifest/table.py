"""The manifest as a file: its columns, its one writer and reader, and which of its rows show one
picture.

Twins that stayed, such as a test face that two data sets hold, show one picture. Their rows are not
independent of each other, so whatever draws rows at random must draw whole pictures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.tables import read_table, write_table

__all__ = [
    "MANIFEST_SCHEMA",
    "picture_codes",
    "read_duplicates",
    "read_manifest",
    "write_manifest",
]

_KIND = "manifest/1"

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("usage", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("duplicate_of", pa.string(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("min_side", pa.int32(), nullable=False),
        pa.field("confidence", pa.float32()),
        pa.field("votes", pa.list_(pa.float32())),
        pa.field("image_path", pa.string(), nullable=False),
        pa.field("orig_image", pa.string()),
        pa.field("face_id", pa.int32()),
        pa.field("bbox_top", pa.int32()),
        pa.field("bbox_left", pa.int32()),
        pa.field("bbox_right", pa.int32()),
        pa.field("bbox_bottom", pa.int32()),
    ]
)


def write_manifest(path: Path, manifest: pd.DataFrame) -> None:
    """Write `manifest.parquet`: the same bytes for the same rows.

    Raises:
        ArtifactError: a column is missing or does not fit its type.
    """
    write_table(path, manifest, MANIFEST_SCHEMA, _KIND)


def read_manifest(path: Path) -> pd.DataFrame:
    """Read the manifest. Whether its contents are sound is for the gate
    (`fer_core.dataset.gate.validation`) to say.

    Raises:
        ArtifactError: missing, damaged, of another schema or class order.
    """
    return read_table(path, MANIFEST_SCHEMA, _KIND)


def read_duplicates(manifest: Path, sample_ids: Sequence[str]) -> dict[str, str]:
    """Which of these rows repeat the picture of an earlier one.

    Args:
        manifest: `manifest.parquet`.
        sample_ids: kept rows.

    Returns:
        sample_id -> sample_id of the first row with the same picture, for rows that are not that
            first one.

    Raises:
        ArtifactError: the manifest is missing or damaged, or does not hold one of the rows.
    """
    of_row = read_manifest(manifest).set_index("sample_id")["duplicate_of"]
    if len(unknown := pd.Index(sample_ids).difference(of_row.index)):
        raise ArtifactError(
            "The manifest does not hold a row.",
            where=manifest,
            expected=unknown[0],
            remedy="run `fer run` from the manifest on",
        )
    of_row = of_row.loc[list(sample_ids)]
    return {str(key): str(first) for key, first in of_row[of_row != ""].items()}


def picture_codes(sample_ids: Sequence[str], duplicate_of: Mapping[str, str]) -> np.ndarray:
    """Numbers of the rows' pictures in order of appearance, int64 [N]: equal numbers mean one
    picture.

    Args:
        sample_ids: the rows.
        duplicate_of: of `read_duplicates`; rows that it does not name are pictures of their own.
    """
    names = np.array([duplicate_of.get(key, key) for key in sample_ids], dtype=object)
    return pd.factorize(names)[0].astype(np.int64)
