"""Tables are the same bytes whether they are written whole or in parts, and can be read in parts."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.tables import PART_ROWS, read_parts, read_table, write_table

SCHEMA = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
        pa.field("votes", pa.list_(pa.float32())),
    ]
)


@pytest.mark.parametrize("rows", [0, 5, PART_ROWS, 2 * PART_ROWS + 3])
def test_parts_give_the_same_bytes_and_come_back(tmp_path: Path, rows: int) -> None:
    frame = pd.DataFrame(
        {
            "name": [f"face {number % 1000}" for number in range(rows)],
            "count": pd.array([number if number % 3 else None for number in range(rows)], "Int32"),
            "votes": pd.Series(
                [[1.0, 2.0] if at % 2 else None for at in range(rows)], dtype=object
            ),
        }
    )
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    write_table(whole, frame, SCHEMA, "kind/1")
    starts = range(0, max(rows, 1), PART_ROWS)
    write_table(parts, (frame[at : at + PART_ROWS] for at in starts), SCHEMA, "kind/1")
    assert whole.read_bytes() == parts.read_bytes()
    read = list(read_parts(whole, SCHEMA, "kind/1"))
    assert [len(part) for part in read] == [min(PART_ROWS, rows - at) for at in starts]
    pd.testing.assert_frame_equal(
        pd.concat(read, ignore_index=True), read_table(whole, SCHEMA, "kind/1")
    )


def test_a_part_of_another_schema_leaves_no_file(tmp_path: Path) -> None:
    good = pd.DataFrame({"name": ["a"], "count": [1], "votes": [None]})
    with pytest.raises(ArtifactError, match="do not fit"):
        write_table(tmp_path / "t.parquet", [good, good.drop(columns="name")], SCHEMA, "kind/1")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ArtifactError, match="missing"):
        list(read_parts(tmp_path / "t.parquet", SCHEMA, "kind/1"))
