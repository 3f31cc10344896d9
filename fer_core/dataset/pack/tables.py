"""Parquet tables with a declared schema: the same bytes for the same rows, refused when read as
anything else, and with a checksum of every page, so that a changed byte is noticed.
"""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.base.artifact import REMAKE
from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file, parse_json
from fer_core.base.labels import CLASSES, check_class_order

__all__ = ["read_table", "write_table"]

_KIND, _CLASSES = b"schema", b"classes"


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema, kind: str) -> None:
    """Write the columns of `schema`, in its order, with its types and no index; NaN becomes null.

    Args:
        path: the file.
        frame: may have further columns, which are left out.
        schema: fields that are not nullable must be full.
        kind: name and version of the artifact, kept in the file: "manifest/1".

    Raises:
        ArtifactError: a column is missing, does not fit its type or has holes.
    """
    try:
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    except (KeyError, ValueError, pa.ArrowTypeError) as error:
        raise ArtifactError(
            "These rows do not fit the table's schema.", where=path, found=error
        ) from error
    _check_full(table, schema, path)
    metadata = {_KIND: kind.encode(), _CLASSES: json.dumps(CLASSES).encode()}
    with new_file(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(metadata),
            temporary,
            compression="zstd",
            row_group_size=65536,
            write_page_checksum=True,
        )


def read_table(path: Path, schema: pa.Schema, kind: str) -> pd.DataFrame:
    """Read a table that `write_table` made; nullable integers come as pandas' `Int32`.

    Raises:
        ArtifactError: missing, damaged, of another kind, version, class order or schema.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=path, remedy=REMAKE) from error
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(
            "This table is damaged.", where=path, found=error, remedy=REMAKE
        ) from error
    metadata = table.schema.metadata or {}
    if metadata.get(_KIND) != kind.encode():
        raise ArtifactError(
            "This table is of another kind.",
            where=path,
            found=metadata.get(_KIND, b"none").decode(),
            expected=kind,
            remedy=REMAKE,
        )
    try:
        classes = parse_json(metadata.get(_CLASSES, b"[]").decode())
        check_class_order(classes, path)
    except (ValueError, TypeError) as error:
        raise ArtifactError(
            "This table is damaged.", where=path, found=error, remedy=REMAKE
        ) from error
    if table.schema.names != schema.names:
        raise ArtifactError(
            "This table has other columns.",
            where=path,
            found=table.schema.names,
            expected=schema.names,
            remedy=REMAKE,
        )
    try:
        table = table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise ArtifactError(
            "This table has columns of another type.", where=path, found=error, remedy=REMAKE
        ) from error
    _check_full(table, schema, path)
    frame = table.to_pandas()
    for field in schema:
        if field.nullable and pa.types.is_integer(field.type):
            frame[field.name] = table.column(field.name).to_pandas(
                types_mapper={field.type: pd.Int32Dtype()}.get
            )
    return frame


def _check_full(table: pa.Table, schema: pa.Schema, where: Path) -> None:
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise ArtifactError(
                "A column has holes.",
                where=f"{where}: {field.name}",
                found=f"{table.column(field.name).null_count} empty cells",
            )
