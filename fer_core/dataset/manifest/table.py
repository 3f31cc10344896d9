"""The manifest as a file: its columns, its one writer and reader, and which of its rows belong to
one cluster.

Twins that stayed, such as a test face that two data sets hold, show one picture; faces of one
photo, subject or session are of one group. Such rows are not independent of each other, so whatever
draws rows at random must draw whole clusters: what is connected by pictures and groups.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.tables import read_parts, read_table, write_table

__all__ = [
    "MANIFEST_SCHEMA",
    "joined_groups",
    "read_clusters",
    "read_manifest",
    "read_manifest_parts",
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


def write_manifest(path: Path, manifest: pd.DataFrame | Iterable[pd.DataFrame]) -> None:
    """Write `manifest.parquet`: the same bytes for the same rows, whole or in parts of `PART_ROWS`.

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


def read_manifest_parts(path: Path) -> Iterator[pd.DataFrame]:
    """The rows of `read_manifest` in parts, so that they need not all be in memory."""
    return read_parts(path, MANIFEST_SCHEMA, _KIND)


def read_clusters(manifest: Path, sample_ids: Sequence[str]) -> dict[str, str]:
    """Which of these rows belong together with an earlier one, by picture or by group.

    Args:
        manifest: `manifest.parquet`.
        sample_ids: kept rows.

    Returns:
        sample_id -> sample_id of the first row of its cluster, for rows that are not that first
            one.

    Raises:
        ArtifactError: the manifest is missing or damaged, or does not hold one of the rows.
    """
    of_row = read_manifest(manifest).set_index("sample_id")[["duplicate_of", "group"]]
    if len(unknown := pd.Index(sample_ids).difference(of_row.index)):
        raise ArtifactError(
            "The manifest does not hold a row.",
            where=manifest,
            expected=unknown[0],
            remedy="run `fer run` from the manifest on",
        )
    found = of_row.loc[list(sample_ids)].reset_index()
    first = found["sample_id"].to_numpy()[_first_of_cluster(found)]
    return {
        str(key): str(of) for key, of in zip(found["sample_id"], first, strict=True) if key != of
    }


def joined_groups(rows: pd.DataFrame) -> pd.Series:
    """The group of each row where rows that show one picture are of one group, too: that of the
    first row of its cluster, or that row's sample_id where it is of no group.

    Args:
        rows: of the manifest.
    """
    groups = rows["group"].where(rows["group"] != "", rows["sample_id"])
    return pd.Series(groups.to_numpy()[_first_of_cluster(rows)], index=rows.index)


def _first_of_cluster(rows: pd.DataFrame) -> np.ndarray:
    """Place of the first row of each row's cluster, int64 [N]."""
    shown = rows["duplicate_of"].where(rows["duplicate_of"] != "", rows["sample_id"])
    cluster = _connected(shown, rows["group"].where(rows["group"] != "", rows["sample_id"]))
    first: np.ndarray = np.unique(cluster, return_index=True)[1][cluster]
    return first


def _connected(pictures: pd.Series, groups: pd.Series) -> np.ndarray:
    """Number of each row's component where rows of one picture or of one group are connected."""
    picture, group = (pd.factorize(values)[0] for values in (pictures, groups))
    shift, links = int(picture.max(initial=-1)) + 1, np.ones(len(picture), dtype=np.int8)
    nodes = shift + int(group.max(initial=-1)) + 1
    graph = coo_array((links, (picture, shift + group)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1])[picture]
