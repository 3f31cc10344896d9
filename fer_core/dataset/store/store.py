"""Face store `data/clean/<source>.arrow`: every face of one data set with what was found out about
it.

An Arrow IPC file, uncompressed and memory-mapped, readable with `pandas.read_feather`. Same faces,
same bytes. One row a face; the schema's metadata (JSON values) hold the header with a hash of every
batch, the source, what the reader announced and what was left out and why.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_core.base.artifact import REMAKE, Header, check_header, hash_bytes, parse_values
from fer_core.base.errors import ArtifactError
from fer_core.base.files import new_file, parse_json
from fer_core.dataset.store.imagehash import THUMBNAIL
from fer_core.pixels.parallel import chunks

__all__ = ["STORE_SCHEMA", "FaceStore", "StoreRow", "write_store"]

_KIND = "face store/4"
_BATCH, _BATCH_BYTES = 1000, 1 << 26
_BYTES = ("image", "thumbnail")

STORE_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("image", pa.large_binary(), nullable=False),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("usage", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("pixel_sha256", pa.string(), nullable=False),
        pa.field("phash", pa.uint64(), nullable=False),
        pa.field("thumbnail", pa.binary(THUMBNAIL * THUMBNAIL), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("confidence", pa.float32()),
        pa.field("votes", pa.list_(pa.float32())),
        pa.field("orig_image", pa.string()),
        pa.field("face_id", pa.int32()),
        pa.field("bbox_top", pa.int32()),
        pa.field("bbox_left", pa.int32()),
        pa.field("bbox_bottom", pa.int32()),
        pa.field("bbox_right", pa.int32()),
        pa.field("flag", pa.string(), nullable=False),
        pa.field("subgroups", pa.string(), nullable=False),
    ]
)

_PARTS = {
    "table": [name for name in STORE_SCHEMA.names if name not in _BYTES],
    "images": list(_BYTES),
}
"""Columns of a batch that are hashed together: images are read, and checked, only when needed."""


@dataclass(frozen=True)
class StoreRow:
    """One row; the fields are the columns of `STORE_SCHEMA` in its order.

    `phash` is unsigned, `thumbnail` holds 32 x 32 grey pixels, `flag` is "" for a face;
    `subgroups` is what people recorded of the person, "age=20-39;gender=female", or "".
    """

    sample_id: str
    image: bytes
    label: int
    split: str
    usage: str
    group: str
    pixel_sha256: str
    phash: int
    thumbnail: bytes
    width: int
    height: int
    confidence: float | None = None
    votes: tuple[float, ...] | None = None
    orig_image: str | None = None
    face_id: int | None = None
    bbox_top: int | None = None
    bbox_left: int | None = None
    bbox_bottom: int | None = None
    bbox_right: int | None = None
    flag: str = ""
    subgroups: str = ""


def write_store(
    path: Path, rows: Iterable[StoreRow], meta: dict[str, Any] | Callable[[], dict[str, Any]]
) -> None:
    """Write a store in one step, holding a thousand rows, or 64 MiB of images, in memory.

    Args:
        path: the file; nothing is left there when anything raises.
        rows: in the order they are to have.
        meta: what the metadata hold besides kind and class order (values that JSON can express), or
            a function that gives it once all rows are through: the metadata are at the head of
            the file, but counts are only known at the end.

    Raises:
        ArtifactError: a value does not fit its column.
    """
    with new_file(path) as final:
        spool = final.with_suffix(".rows")
        try:
            _write_rows(spool, rows, path)
            about = meta() if callable(meta) else meta
            _copy_with_header(spool, final, Header(_KIND, str(about.get("source", ""))), about)
        finally:
            spool.unlink(missing_ok=True)


def _write_rows(file: Path, rows: Iterable[StoreRow], store: Path) -> None:
    names = [field.name for field in fields(StoreRow)]
    batches = chunks(rows, _BATCH, lambda row: len(row.image), _BATCH_BYTES)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, STORE_SCHEMA) as writer:
        for batch, _ in batches:
            try:
                columns = [
                    pa.array([getattr(row, name) for row in batch], STORE_SCHEMA.field(name).type)
                    for name in names
                ]
            except (pa.ArrowException, OverflowError, TypeError) as error:
                raise ArtifactError(
                    "A face does not fit the store's columns.", where=store, found=error
                ) from error
            for name, column in zip(names, columns, strict=True):
                if column.null_count and not STORE_SCHEMA.field(name).nullable:
                    raise ArtifactError(
                        "A face lacks a value.",
                        where=f"{store}: {name}",
                        found=f"{column.null_count} empty cells",
                    )
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=STORE_SCHEMA))


def _copy_with_header(file: Path, target: Path, header: Header, about: dict[str, Any]) -> None:
    """Copy batch by batch, below the metadata, which need the number and hashes of all rows."""
    with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
        numbers, rows, files = range(reader.num_record_batches), 0, dict[str, str]()
        for number in numbers:
            batch = reader.get_batch(number)
            rows += batch.num_rows
            files |= {
                f"{part} {number}": _digest(batch, columns) for part, columns in _PARTS.items()
            }
        values = {"header": asdict(replace(header, rows=rows, files=files)), **about}
        schema = STORE_SCHEMA.with_metadata(
            {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
        )
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for number in numbers:
                batch = reader.get_batch(number)
                writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


def _digest(batch: pa.RecordBatch, columns: Sequence[str]) -> str:
    """Hash of some columns of a batch, whatever the schema's metadata say."""
    part = pa.RecordBatch.from_arrays(
        [batch.column(name) for name in columns],
        schema=pa.schema([STORE_SCHEMA.field(name) for name in columns]),
    )
    return hash_bytes(part.serialize())


class FaceStore:
    """An opened face store. Open with `FaceStore.open`; images are read from the memory map as they
    are asked for.
    """

    def __init__(
        self, path: Path, batches: list[pa.RecordBatch], header: Header, meta: dict[str, Any]
    ) -> None:
        self.path = path
        self.header = header
        self.meta = meta
        self._batches = batches
        self._checked: set[int] = set()
        self._starts = [0]
        for batch in batches:
            self._starts.append(self._starts[-1] + batch.num_rows)

    @classmethod
    def open(cls, path: Path, source: str | None = None) -> "FaceStore":
        """Open a store and check it.

        Args:
            path: the file.
            source: data set that it must be of; None where that does not matter.

        Raises:
            ArtifactError: missing, damaged, of another kind, data set, class order or schema.
        """
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        except FileNotFoundError as error:
            raise ArtifactError("A face store is missing.", where=path, remedy=REMAKE) from error
        except (pa.ArrowException, OSError) as error:
            raise ArtifactError(
                "This face store is damaged.", where=path, found=error, remedy=REMAKE
            ) from error
        meta = _metadata(reader.schema, path)
        header = parse_values(meta.pop("header", {}), Header, path)
        check_header(header, _KIND, source, path)
        if not reader.schema.equals(STORE_SCHEMA):
            raise ArtifactError(
                "This face store has other columns.",
                where=path,
                found=reader.schema.names,
                expected=STORE_SCHEMA.names,
                remedy=REMAKE,
            )
        store = cls(path, batches, header, meta)
        for number in range(len(batches)):
            store._check(number, "table")
        return store

    def __len__(self) -> int:
        """Number of faces."""
        return self._starts[-1]

    def image(self, row: int) -> bytes:
        """The encoded image of a row, 0 to len - 1."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} in {self.path}")
        number = bisect_right(self._starts, row) - 1
        self._check_images(number)
        return self._batches[number].column("image")[row - self._starts[number]].as_py()

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """The grey thumbnails of rows, uint8 [n, 32 * 32]."""
        found = np.empty((len(rows), THUMBNAIL * THUMBNAIL), dtype=np.uint8)
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(numbers, kind="stable")
        cuts = np.flatnonzero(np.diff(numbers[order])) + 1
        for places in np.split(order, cuts) if len(rows) else []:
            number = int(numbers[places[0]])
            self._check_images(number)
            cells = self._batches[number].column("thumbnail").buffers()[1]
            stored = np.frombuffer(cells, dtype=np.uint8).reshape(-1, found.shape[1])
            found[places] = stored[rows[places] - self._starts[number]]
        return found

    def images(self) -> Iterator[bytes]:
        """All encoded images in order."""
        return (self.image(row) for row in range(len(self)))

    def check_rows(self, rows: pd.DataFrame) -> None:
        """Compare the faces with those that the manifest names.

        Args:
            rows: of the manifest that are this store's: columns `row`, `sample_id`.

        Raises:
            ArtifactError: the store was made again after the manifest and has another face in a
                row.
        """
        there = self.frame(["sample_id"])["sample_id"].reindex(rows["row"])
        other = rows[there.to_numpy(dtype=object) != rows["sample_id"].to_numpy(dtype=object)]
        if len(other):
            raise ArtifactError(
                "A face store holds another face than the manifest says.",
                where=f"{self.path}, row {other['row'].iloc[0]}",
                expected=other["sample_id"].iloc[0],
                remedy="run `fer run` from the manifest on",
            )

    def _check_images(self, number: int) -> None:
        if number not in self._checked:
            self._check(number, "images")
            self._checked.add(number)

    def _check(self, number: int, part: str) -> None:
        """Compare a batch with its hash before anything of it is used."""
        found = _digest(self._batches[number], _PARTS[part])
        if found != self.header.files.get(f"{part} {number}"):
            raise ArtifactError(
                "The bytes of this face store were changed.",
                where=f"{self.path}: {part} of batch {number}",
                found=found,
                expected=self.header.files.get(f"{part} {number}"),
                remedy=REMAKE,
            )

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of all faces, mapped and not copied."""
        return pa.Table.from_batches(self._batches, STORE_SCHEMA).select(columns)

    def frame(self, columns: Sequence[str], rows: np.ndarray | None = None) -> pd.DataFrame:
        """Some columns of the faces of `rows`, or of all; nullable integers come as pandas'
        `Int32`, `votes` as arrays or None.
        """
        table = self.table(columns)
        if rows is not None:
            table = table.take(rows)
        frame = table.to_pandas()
        for name in columns:
            field = STORE_SCHEMA.field(name)
            if field.nullable and pa.types.is_integer(field.type):
                frame[name] = table.column(name).to_pandas(
                    types_mapper={field.type: pd.Int32Dtype()}.get
                )
        return frame

    def table_without_images(self) -> pd.DataFrame:
        """All columns but `image` and `thumbnail`, as `frame` gives them."""
        return self.frame(_PARTS["table"])


def _metadata(schema: pa.Schema, path: Path) -> dict[str, Any]:
    try:
        return {
            key.decode(): parse_json(value.decode())
            for key, value in (schema.metadata or {}).items()
        }
    except ValueError as error:
        raise ArtifactError(
            "The metadata of this face store are damaged.", where=path, found=error, remedy=REMAKE
        ) from error
