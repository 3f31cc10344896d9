"""Parquet tables with a declared schema: the same bytes for the same rows, refused when read as
anything else, and with a checksum of every page, so that a changed byte is noticed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.base.artifact import REMAKE
from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file, parse_json
from fer_core.base.labels import CLASSES, check_class_order

__all__ = ["PART_ROWS", "read_parts", "read_table", "write_table"]

PART_ROWS = 65536
"""Rows of a part: of a row group of the file."""


_KIND, _CLASSES = b"schema", b"classes"


def write_table(
    path: Path, frame: pd.DataFrame | Iterable[pd.DataFrame], schema: pa.Schema, kind: str
) -> None:
    """Write the columns of `schema`, in its order, with its types and no index; NaN becomes null.

    Args:
        path: the file.
        frame: the rows, or parts of `PART_ROWS` rows and a last one, so that not all need be in
            memory: the bytes are the same. It may have further columns, which are left out.
        schema: fields that are not nullable must be full.
        kind: name and version of the artifact, kept in the file: "manifest/1".

    Raises:
        ArtifactError: a column is missing, does not fit its type or has holes.
    """
    metadata = {_KIND: kind.encode(), _CLASSES: json.dumps(CLASSES).encode()}
    with (
        new_file(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema.with_metadata(metadata),
            compression="zstd",
            write_page_checksum=True,
        ) as writer,
    ):
        for part in [frame] if isinstance(frame, pd.DataFrame) else frame:
            try:
                table = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
            except (KeyError, ValueError, pa.ArrowTypeError) as error:
                raise ArtifactError(
                    "These rows do not fit the table's schema.", where=path, found=error
                ) from error
            _check_full(table, schema, path)
            writer.write_table(table.replace_schema_metadata(metadata), row_group_size=PART_ROWS)


def read_table(path: Path, schema: pa.Schema, kind: str) -> pd.DataFrame:
    """Read a table that `write_table` made; nullable integers come as pandas' `Int32`.

    Raises:
        ArtifactError: missing, damaged, of another kind, version, class order or schema.
    """
    return _frame(pa.concat_tables(_read(path, schema, kind)), schema)


def read_parts(path: Path, schema: pa.Schema, kind: str) -> Iterator[pd.DataFrame]:
    """The same rows in parts of `PART_ROWS`, each read when it is asked for.

    Raises:
        ArtifactError: as `read_table`.
    """
    return (_frame(table, schema) for table in _read(path, schema, kind))


def _read(path: Path, schema: pa.Schema, kind: str) -> Iterator[pa.Table]:
    """Row group after row group, checked; an empty table has none, and gives one without rows."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = file.schema_arrow
            _check_kind(path, found.metadata or {}, kind)
            if found.names != schema.names:
                raise ArtifactError(
                    "This table has other columns.",
                    where=path,
                    found=found.names,
                    expected=schema.names,
                    remedy=REMAKE,
                )
            if not file.num_row_groups:
                yield _cast(found.empty_table(), schema, path)
            for number in range(file.num_row_groups):
                yield _cast(file.read_row_group(number), schema, path)
    except FileNotFoundError as error:
        raise ArtifactError("A file is missing.", where=path, remedy=REMAKE) from error
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(
            "This table is damaged.", where=path, found=error, remedy=REMAKE
        ) from error


def _check_kind(path: Path, metadata: Mapping[bytes, bytes], kind: str) -> None:
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


def _cast(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    try:
        table = table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise ArtifactError(
            "This table has columns of another type.", where=path, found=error, remedy=REMAKE
        ) from error
    _check_full(table, schema, path)
    return table


def _frame(table: pa.Table, schema: pa.Schema) -> pd.DataFrame:
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
