from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES
from fer_core.dataset.store.store import STORE_SCHEMA, FaceStore, StoreRow, write_store

META = {
    "source": "set",
    "layout": "folder7",
    "announced": {"train": {"Happy": 2}},
    "exclusions": [{"sample_id": "ü", "reason": "r", "detail": "d"}],
}


def row(number: int, **changes: object) -> StoreRow:
    values = {
        "sample_id": f"set/{number:05d}",
        "image": bytes([number % 256]) * (number % 7 + 1),
        "label": number % 7,
        "split": "train",
        "usage": "Training",
        "group": f"g{number // 2}",
        "pixel_sha256": f"{number:064x}",
        "phash": 2**64 - 1 - number,
        "thumbnail": bytes([number % 256]) * 1024,
        "width": 48,
        "height": 32,
    }
    return StoreRow(**(values | changes))  # type: ignore[arg-type]


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [row(number) for number in range(2500)]
    rows[7] = row(
        7,
        confidence=0.5,
        votes=(0, 1, 2, 3, 4, 5, 6),
        orig_image="p.jpg",
        face_id=3,
        bbox_top=-1,
        bbox_left=2,
        flag="blank",
    )
    path = tmp_path / "clean/set.arrow"
    write_store(path, iter(rows), META)
    store = FaceStore.open(path)
    assert len(store) == 2500
    assert [store.image(number) for number in (0, 7, 999, 1000, 2499)] == [
        rows[number].image for number in (0, 7, 999, 1000, 2499)
    ]
    asked = np.array([2499, 7, 1000, 999, 7])
    assert store.thumbnails(asked)[:, 0].tolist() == [number % 256 for number in asked.tolist()]
    assert store.thumbnails(asked[:0]).shape == (0, 1024)
    assert list(store.images()) == [item.image for item in rows]
    frame = store.table_without_images()
    assert list(frame.columns) == [
        name for name in STORE_SCHEMA.names if name not in ("image", "thumbnail")
    ]
    assert frame["sample_id"].tolist() == [item.sample_id for item in rows]
    assert frame["phash"].tolist() == [item.phash for item in rows]
    assert (
        frame["face_id"].dtype == pd.Int32Dtype()
        and frame["face_id"][7] == 3
        and frame["face_id"].isna().sum() == 2499
    )
    np.testing.assert_array_equal(frame["votes"][7], np.arange(7, dtype=np.float32))
    assert frame["votes"][8] is None and frame["bbox_top"][7] == -1 and frame["flag"][7] == "blank"
    assert store.header.classes == tuple(CLASSES) and store.meta["exclusions"] == META["exclusions"]


def test_columns_of_row_and_schema_are_the_same():
    assert [field.name for field in fields(StoreRow)] == STORE_SCHEMA.names


def test_same_rows_give_the_same_bytes_and_other_rows_do_not(tmp_path):
    for name, numbers in {"a": range(1500), "b": range(1500), "c": range(1, 1501)}.items():
        write_store(tmp_path / name, (row(number) for number in numbers), META)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_store_is_readable_with_pandas(tmp_path):
    write_store(tmp_path / "set.arrow", [row(1)], META)
    frame = pd.read_feather(tmp_path / "set.arrow")
    assert frame["image"][0] == row(1).image and frame["height"][0] == 32


def test_empty_store_opens(tmp_path):
    write_store(tmp_path / "set.arrow", [], META)
    store = FaceStore.open(tmp_path / "set.arrow")
    assert len(store) == 0 and len(store.table_without_images()) == 0
    with pytest.raises(IndexError):
        store.image(0)


def test_metadata_may_be_known_only_after_the_last_row(tmp_path):
    seen: list[str] = []
    rows = (seen.append(item.sample_id) or item for item in [row(1), row(2)])
    write_store(tmp_path / "set.arrow", rows, lambda: {"source": "set", "count": len(seen)})
    assert FaceStore.open(tmp_path / "set.arrow").meta["count"] == 2


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "set.arrow"
    write_store(path, [row(1)], META)
    before = path.read_bytes()

    def broken():
        yield from (row(number) for number in range(1200))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_store(path, broken(), META)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["set.arrow"]


@pytest.mark.parametrize(
    "change",
    [
        {"label": 300},
        {"phash": -1},
        {"sample_id": None},
        {"votes": ("x",)},
        {"thumbnail": b"short"},
    ],
)
def test_value_that_does_not_fit_is_refused(tmp_path, change):
    with pytest.raises(ArtifactError):
        write_store(tmp_path / "set.arrow", [row(1, **change)], META)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "set.arrow"
    with pytest.raises(ArtifactError, match="missing"):
        FaceStore.open(path)
    write_store(path, [row(number) for number in range(50)], META)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        FaceStore.open(path)
    write_store(path, [row(1)], META | {"header": {"kind": "face store/0"}})
    with pytest.raises(ArtifactError, match="another kind"):
        FaceStore.open(path)
    write_store(
        path, [row(1)], META | {"header": {"kind": "face store/4", "classes": CLASSES[::-1]}}
    )
    with pytest.raises(ArtifactError, match="class order"):
        FaceStore.open(path)
    pd.DataFrame([asdict(row(1))]).to_feather(path, compression="uncompressed")
    with pytest.raises(ArtifactError):
        FaceStore.open(path)


def test_store_can_be_moved(tmp_path: Path):
    write_store(tmp_path / "a.arrow", [row(1)], META)
    (tmp_path / "a.arrow").rename(tmp_path / "b.arrow")
    assert FaceStore.open(tmp_path / "b.arrow").image(0) == row(1).image
