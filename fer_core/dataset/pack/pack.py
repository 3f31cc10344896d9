"""The pack: the kept faces of one half (dev or test) in a few Arrow files, and the rows that say
what they are.

A face lies in shard hash(sample_id) mod n, so that one more face changes one shard, and n is a
power of two, so that it seldom changes. Images are copied as they are, never decoded.
"""

import bisect
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field
from tqdm import tqdm

from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ArtifactError
from fer_core.base.logs import progress_off
from fer_core.base.params import Section
from fer_core.dataset.pack.rows import ROWS_FILE, Rows, read_rows, write_rows

__all__ = ["Pack", "PackOptions", "assign_shards", "write_pack"]

_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("image", pa.large_binary(), nullable=False),
    ]
)
_KIND = "pack/2"
_METADATA = {b"schema": b"faces/1"}
_BATCH_ROWS, _BATCH_BYTES = 1000, 1 << 20
_MAX_SHARDS = 512  # all of them are open at once; beyond 50 GB shards grow instead


class PackOptions(Section):
    """How the kept faces are stored.

    Attributes:
        shard_megabytes: greatest size of the images of one shard, in 10^6 bytes.
        train_sets: named sets whose train rows are packed; null packs all. Teachers answer for
            every packed train row, so leave out rows that nobody learns from.
        most_per_class: of each split, data set and class at most so many rows are packed, and so
            many of them of every named set, for a quick trial; null packs all.
    """

    shard_megabytes: Annotated[float, Field(gt=0)]
    train_sets: Annotated[list[str], Field(min_length=1)] | None = None
    most_per_class: Annotated[int, Field(ge=1)] | None = None


def assign_shards(sample_ids: Iterable[str], sizes: np.ndarray, limit: float) -> np.ndarray:
    """The shard of every face, int16 [N].

    Args:
        sample_ids: the keys.
        sizes: int64 [N], encoded bytes of each face.
        limit: greatest sum of a shard, in bytes; met by the least power of two of shards that meets
            it.
    """
    hashes = np.array(
        [int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little") for key in sample_ids],
        dtype=np.uint64,
    )
    count = 1
    while count < _MAX_SHARDS and count < len(hashes):
        shard = hashes % np.uint64(count)
        if np.bincount(shard.astype(np.int64), weights=sizes).max() <= limit:
            break
        count *= 2
    return (hashes % np.uint64(count)).astype(np.int16)


def write_pack(
    folder: Path,
    rows: pd.DataFrame,
    image: Callable[[int], bytes],
    sizes: np.ndarray,
    options: PackOptions,
) -> None:
    """Write one half.

    Args:
        folder: replaced when everything is written.
        rows: columns of `ROWS_SCHEMA` but `shard` and `shard_row`, sorted by sample_id, index
            0..N-1.
        image: encoded bytes of the i-th row; asked for once each, in order.
        sizes: int64 [N], how many these are.
        options: section `pack`.
    """
    shard = assign_shards(rows["sample_id"], sizes, options.shard_megabytes * 1e6)
    shard_row = pd.Series(shard).groupby(shard).cumcount().to_numpy(dtype=np.int32)
    with new_artifact(folder, Header(_KIND, rows=len(rows))) as temporary:
        with ExitStack() as files:
            writers = [
                _ShardWriter(temporary / _shard_file(number), files)
                for number in range(int(shard.max(initial=0)) + 1)
            ]
            progress = tqdm(
                rows["sample_id"],
                desc=f"pack {folder.name}",
                unit="img",
                leave=False,
                disable=progress_off(),
            )
            for index, sample_id in enumerate(progress):
                writers[shard[index]].add(sample_id, image(index))
            for writer in writers:
                writer.flush()
        write_rows(temporary / ROWS_FILE, rows.assign(shard=shard, shard_row=shard_row))


class _ShardWriter:
    """Writes faces in batches of about a megabyte, so that memory stays small whatever the number
    of shards.
    """

    def __init__(self, path: Path, files: ExitStack) -> None:
        self._writer = files.enter_context(
            pa.ipc.new_file(str(path), _SCHEMA.with_metadata(_METADATA))
        )
        self._ids: list[str] = []
        self._images: list[bytes] = []
        self._bytes = 0

    def add(self, sample_id: str, image: bytes) -> None:
        self._ids.append(sample_id)
        self._images.append(image)
        self._bytes += len(image)
        if len(self._ids) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._ids:
            columns = [pa.array(self._ids, pa.string()), pa.array(self._images, pa.large_binary())]
            self._writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
        self._ids, self._images, self._bytes = [], [], 0


@dataclass(frozen=True)
class Pack:
    """One half of the pack, memory-mapped; safe to read from many threads.

    Attributes:
        rows: what the faces are; row i here is row i everywhere.
    """

    rows: Rows
    _shards: list["_Shard"]
    _places: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> "Pack":
        """Open a half and check that shards and rows belong together.

        Raises:
            ArtifactError: a file is missing, damaged, of another schema, or holds other faces than
                the rows say.
        """
        open_artifact(folder, _KIND)
        rows = read_rows(folder / ROWS_FILE)
        numbers = rows.frame["shard"].to_numpy()
        shards = [
            _Shard(folder / _shard_file(number))
            for number in range(int(numbers.max(initial=0)) + 1)
        ]
        for number, shard in enumerate(shards):
            mine = rows.frame[numbers == number].sort_values("shard_row")
            if (
                mine["shard_row"].tolist() != list(range(len(shard)))
                or mine["sample_id"].tolist() != shard.sample_ids()
            ):
                raise ArtifactError(
                    "A shard holds other faces than rows.parquet says.",
                    where=shard.path,
                    remedy="run `fer run` to pack again",
                )
        return cls(rows, shards, rows.frame[["shard", "shard_row"]].to_numpy(dtype=np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, row: int) -> bytes:
        """Encoded image of a row."""
        shard, place = self._places[row]
        return self._shards[shard].image(int(place))

    def images(self, rows: Iterable[int] | np.ndarray) -> Iterator[bytes]:
        """Encoded images of rows, in the order asked for."""
        return (self.image(int(row)) for row in rows)


class _Shard:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            reader: Any = pa.ipc.open_file(pa.memory_map(str(path)))
            if reader.schema.metadata != _METADATA or not reader.schema.equals(_SCHEMA):
                raise ArtifactError(
                    "This shard is of another schema.",
                    where=path,
                    found=reader.schema,
                    remedy="run `fer run` to pack again",
                )
            self._batches = [
                reader.get_batch(number) for number in range(reader.num_record_batches)
            ]
        except FileNotFoundError as error:
            raise ArtifactError(
                "A shard is missing.",
                where=path,
                remedy="run `fer run` (or `dvc repro`) to pack again",
            ) from error
        except pa.ArrowInvalid as error:
            raise ArtifactError(
                "This shard is damaged.",
                where=path,
                found=error,
                remedy="run `fer run` to pack again",
            ) from error
        self._starts = [0, *np.cumsum([batch.num_rows for batch in self._batches]).tolist()]

    def __len__(self) -> int:
        return self._starts[-1]

    def sample_ids(self) -> list[str]:
        return [key for batch in self._batches for key in batch.column(0).to_pylist()]

    def image(self, row: int) -> bytes:
        batch = bisect.bisect_right(self._starts, row) - 1
        return self._batches[batch].column(1)[row - self._starts[batch]].as_py()


def _shard_file(number: int) -> str:
    return f"faces-{number:03d}.arrow"
