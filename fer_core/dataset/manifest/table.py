"""The manifest as a file: its columns, and the one writer and reader of it."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from fer_core.dataset.pack.tables import read_table, write_table

__all__ = ["MANIFEST_SCHEMA", "read_manifest", "write_manifest"]

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
