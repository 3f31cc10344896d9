"""The pack gives back every face and notices when shards and rows do not belong together."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.pack import Pack, PackOptions, assign_shards, write_pack
from fer_core.dataset.pack.rows import read_rows, write_rows
from tests.artifacts import reseal


def image(sample_id: str) -> bytes:
    return hashlib.sha256(sample_id.encode()).digest() * 40  # 1280 bytes


def write(folder: Path, ids: list[str], megabytes: float = 1.0) -> None:
    rows = pd.DataFrame(
        {
            "sample_id": sorted(ids),
            "source": "s",
            "label": 0,
            "split": "train",
            "usage": "",
            "group": "g",
        }
    )
    rows = rows.assign(width=8, height=8, min_side=8, confidence=np.nan, weight=1.0, votes=None)
    sizes = np.full(len(rows), 1280)
    write_pack(
        folder,
        rows,
        lambda i: image(rows["sample_id"][i]),
        sizes,
        PackOptions(shard_megabytes=megabytes),
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


IDS = [f"s/{i:03}" for i in range(100)]


@pytest.mark.parametrize("megabytes", [1.0, 0.02])
def test_every_face_comes_back_under_its_row(tmp_path: Path, megabytes: float) -> None:
    write(tmp_path / "dev", IDS, megabytes)
    pack = Pack.open(tmp_path / "dev")
    assert pack.rows.sample_ids == IDS
    assert list(pack.images(range(len(pack)))) == [image(key) for key in IDS]
    assert list(pack.images([7, 3])) == [image(IDS[7]), image(IDS[3])]
    assert pack.rows.sha256 == read_rows(tmp_path / "dev").sha256


def test_a_batch_of_more_than_a_megabyte_is_split_and_read_back(tmp_path: Path) -> None:
    ids = [f"s/{i:04}" for i in range(2500)]
    write(tmp_path / "dev", ids, 100)
    pack = Pack.open(tmp_path / "dev")
    assert [pack.image(i) for i in (0, 818, 819, 820, 2499)] == [
        image(ids[i]) for i in (0, 818, 819, 820, 2499)
    ]


def test_the_same_faces_are_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a", IDS, 0.02)
    write(tmp_path / "b", IDS[::-1], 0.02)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_one_more_face_changes_one_shard(tmp_path: Path) -> None:
    write(tmp_path / "a", IDS, 0.03)
    write(tmp_path / "b", [*IDS, "s/050b"], 0.03)
    before, after = files(tmp_path / "a"), files(tmp_path / "b")
    assert set(before) == set(after)
    assert len(before) > 3
    assert sorted(name for name in before if before[name] != after[name])[1:] == [
        "header.json",
        "rows.parquet",
    ]


@given(st.integers(1, 300), st.integers(1500, 50000))
def test_shards_keep_to_the_limit_and_are_a_power_of_two(n: int, limit: int) -> None:
    sizes = np.random.default_rng(n).integers(1, 1500, n)
    shard = assign_shards([f"x{i}" for i in range(n)], sizes, limit)
    totals = np.bincount(shard, weights=sizes)
    if n > 1 and totals.max() > limit:
        assert shard.max() >= n // 2, "only an image for each shard can be the end of it"


def test_a_shard_depends_on_the_name_alone() -> None:
    sizes = np.full(100, 100)
    shards = dict(zip(IDS, assign_shards(IDS, sizes, 3000), strict=True))
    assert dict(zip(IDS[::-1], assign_shards(IDS[::-1], sizes, 3000), strict=True)) == shards
    assert max(shards.values()) in (3, 7)


def test_a_half_without_faces_can_be_opened(tmp_path: Path) -> None:
    write(tmp_path / "test", [])
    assert len(Pack.open(tmp_path / "test")) == 0


def test_a_shard_of_another_pack_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", IDS)
    write(tmp_path / "b", [*IDS[:-1], "s/zzz"])
    (tmp_path / "a" / "faces-000.arrow").write_bytes(
        (tmp_path / "b" / "faces-000.arrow").read_bytes()
    )
    with pytest.raises(ArtifactError, match="was changed"):
        Pack.open(tmp_path / "a")
    reseal(tmp_path / "a")
    with pytest.raises(ArtifactError, match="other faces"):
        Pack.open(tmp_path / "a")


def test_rows_that_point_elsewhere_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", IDS)
    frame = read_rows(tmp_path / "a").frame
    frame.loc[[3, 4], "shard_row"] = frame.loc[[4, 3], "shard_row"].to_numpy()
    write_rows(tmp_path / "a" / "rows.parquet", frame)
    reseal(tmp_path / "a")
    with pytest.raises(ArtifactError, match="other faces"):
        Pack.open(tmp_path / "a")


@pytest.mark.parametrize(
    ("damage", "message"),
    [(lambda p: p.unlink(), "missing"), (lambda p: p.write_bytes(b"x" * 500), "damaged")],
)
def test_a_missing_or_damaged_shard_is_refused(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / "a", IDS)
    damage(tmp_path / "a" / "faces-000.arrow")
    with pytest.raises(ArtifactError, match=message):
        Pack.open(tmp_path / "a")


def test_a_failure_half_way_leaves_the_old_pack(tmp_path: Path) -> None:
    write(tmp_path / "a", IDS)
    before = files(tmp_path / "a")
    rows = read_rows(tmp_path / "a").frame
    with pytest.raises(KeyError):
        write_pack(
            tmp_path / "a",
            rows,
            lambda i: {0: b"x"}[i],
            np.full(100, 1),
            PackOptions(shard_megabytes=1),
        )
    assert files(tmp_path / "a") == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
