"""Rows are the same bytes for the same rows and are refused when something is wrong with them."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import sha256_file
from fer_core.dataset.pack.rows import read_rows, write_rows


def rows(n: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": [f"s/{i}" for i in range(n)],
            "source": "s",
            "label": [i % 7 for i in range(n)],
            "split": [("train", "val", "train", "calib")[i % 4] for i in range(n)],
            "usage": "Training",
            "group": [f"s/{i}" for i in range(n)],
            "shard": 0,
            "shard_row": range(n),
            "width": 48,
            "height": 50,
            "min_side": 48,
            "confidence": [None if i % 2 else 0.5 for i in range(n)],
            "weight": 1.0,
            "votes": [None if i % 2 else [0.0, 0, 0, 1, 0, 0, 0.5] for i in range(n)],
        }
    )


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", rows())
    back = read_rows(tmp_path / "rows.parquet")
    assert back.sample_ids == ["s/0", "s/1", "s/2", "s/3"]
    assert (back.labels.dtype, back.labels.tolist()) == ("int8", [0, 1, 2, 3])
    assert back.split("train").tolist() == [0, 2]
    assert back.split("val", "calib").tolist() == [1, 3]
    assert back.frame["votes"][0].tolist() == [0, 0, 0, 1, 0, 0, 0.5]
    assert back.frame["votes"][1] is None
    assert back.frame["confidence"].isna().tolist() == [False, True, False, True]
    assert back.frame["min_side"].dtype == "int32"
    assert back.sha256 == sha256_file(tmp_path / "rows.parquet")


def test_a_folder_of_the_pack_stands_for_its_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", rows())
    assert len(read_rows(tmp_path)) == 4


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    write_rows(tmp_path / "a", rows())
    write_rows(
        tmp_path / "b",
        rows()[rows().columns[::-1]].set_index(pd.Index([9, 8, 7, 6])).assign(extra=1),
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unknown_split_is_an_error_not_an_empty_set(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", rows())
    with pytest.raises(ValueError, match="valid"):
        read_rows(tmp_path).split("valid")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("sample_id", ["s/0", "s/1", "s/1", "s/3"], "not unique"),
        ("sample_id", ["s/0", "s/2", "s/1", "s/3"], "not sorted"),
        ("label", [0, 1, 7, 3], "canonical label"),
        ("label", [0, 1, -1, 3], "canonical label"),
        ("split", ["train", "dropped", "val", "val"], "unknown split"),
        ("group", ["x", None, "x", "x"], "do not fit"),
    ],
)
def test_unsound_rows_are_not_written(
    tmp_path: Path, column: str, values: list, message: str
) -> None:
    with pytest.raises(ArtifactError, match=message):
        write_rows(tmp_path / "rows.parquet", rows().assign(**{column: values}))
    assert list(tmp_path.iterdir()) == []


def rewrite(path: Path, change) -> None:  # type: ignore[no-untyped-def]
    pq.write_table(change(pq.read_table(path)), path)


def with_metadata(**values: str):  # type: ignore[no-untyped-def]
    return lambda table: table.replace_schema_metadata(
        {**table.schema.metadata, **{k.encode(): v.encode() for k, v in values.items()}}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_metadata(classes='["Happy", "Angry"]'), "class order"),
        (with_metadata(schema="rows/99"), "another kind"),
        (lambda table: table.drop_columns(["votes"]), "other columns"),
        (lambda table: table.set_column(2, "label", pa.array(["x"] * 4)), "another type"),
        (lambda table: table.take([0, 0, 1, 2]), "not unique"),
    ],
)
def test_tampered_rows_are_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "rows.parquet"
    write_rows(path, rows())
    rewrite(path, change)
    with pytest.raises(ArtifactError, match=message):
        read_rows(path)


def test_a_missing_or_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    with pytest.raises(ArtifactError, match="missing"):
        read_rows(path)
    write_rows(path, rows())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="damaged"):
        read_rows(path)
