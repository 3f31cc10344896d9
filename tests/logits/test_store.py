import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.dataset.pack.rows import Rows
from fer_core.logits.store import LogitsSet, read_logits, write_logits
from tests.arrange_logits import DEV, TEST, K, logits_set, rows_of
from tests.artifacts import reseal

ALL = ("train", "val", "calib")


@pytest.fixture
def rows() -> Rows:
    return rows_of(DEV)


def dev_logits(rows: Rows) -> LogitsSet:
    return logits_set(rows, ALL, 0, views=True)


def test_what_was_written_is_read(tmp_path, rows):
    made = dev_logits(rows)
    write_logits(tmp_path / "dev", made)
    found = read_logits(tmp_path / "dev", rows)
    for field in dataclasses.fields(LogitsSet):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(made, field.name))
    assert found.eval.dtype == np.float16
    assert found.views.shape == (60, K, 7)


def test_same_logits_give_the_same_bytes(tmp_path, rows):
    for name in "ab":
        write_logits(tmp_path / name, dev_logits(rows))
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_only_keeps_a_splits_rows_and_views_stay_with_train(rows):
    made = dev_logits(rows)
    calib = made.only("calib")
    assert calib.covers == ("calib",)
    assert len(calib) == 280
    assert calib.views is None
    np.testing.assert_array_equal(calib.eval, made.eval[rows.split("calib")])
    assert calib.sample_ids == [rows.sample_ids[i] for i in rows.split("calib")]
    assert made.only("train").views is made.views
    with pytest.raises(ArtifactError, match="do not cover"):
        calib.only("val")


def test_evaluation_logits_of_val_and_calib_are_read_without_train_rows(tmp_path, rows):
    write_logits(tmp_path / "dev", dev_logits(rows).only("val", "calib"))
    assert len(read_logits(tmp_path / "dev", rows)) == 350


def swapped(rows: Rows, column: str) -> Rows:
    """The same file hash with the values of two rows exchanged."""
    frame = rows.frame.copy()
    other = int((frame[column] != frame[column][0]).to_numpy().argmax())
    frame.loc[[0, other], column] = frame.loc[[other, 0], column].to_numpy()
    return Rows(frame, rows.sha256)


@pytest.mark.parametrize(
    "fault", ["sha256", "missing row", "extra row", "sample_id", "label", "split"]
)
def test_other_rows_are_refused(tmp_path, rows, fault):
    write_logits(tmp_path / "dev", dev_logits(rows))
    frame = rows.frame
    other = {
        "sha256": Rows(frame, "0" * 64),
        "missing row": Rows(frame.iloc[:-1], rows.sha256),
        "extra row": Rows(pd.concat([frame, frame.tail(1)], ignore_index=True), rows.sha256),
    }.get(fault) or swapped(rows, fault)
    with pytest.raises(ArtifactError):
        read_logits(tmp_path / "dev", other)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "logits/1"}, "another kind or version"),
        ({"kind": "softlabels/4"}, "another kind or version"),
        ({"classes": ["Happy"]}, "class order"),
        ({"rows": 1}, "as many rows"),
        ({"rows_sha256": "0" * 64}, "other rows"),
        ({"key": "b3"}, "is another's"),
    ],
)
def test_another_header_is_refused(tmp_path, rows, values, says):
    write_logits(tmp_path / "dev", dev_logits(rows))
    reseal(tmp_path / "dev", **values)
    with pytest.raises(ArtifactError, match=says):
        read_logits(tmp_path / "dev", rows, "rn18")


@pytest.mark.parametrize("covers", [["test"], None])
def test_damaged_description_is_refused(tmp_path, rows, covers):
    write_logits(tmp_path / "dev", dev_logits(rows))
    file = tmp_path / "dev" / "logits.json"
    write_json(file, read_json(file) | {"covers": covers})
    reseal(tmp_path / "dev")
    with pytest.raises(ArtifactError, match=r"covers|do not cover"):
        read_logits(tmp_path / "dev", rows)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize("name", ["eval.npy", "views.npy", "index.parquet"])
@pytest.mark.parametrize("damage", [Path.unlink, truncate])
def test_missing_or_cut_file_is_refused(tmp_path, rows, name, damage):
    write_logits(tmp_path / "dev", dev_logits(rows))
    damage(tmp_path / "dev" / name)
    with pytest.raises(ArtifactError):
        read_logits(tmp_path / "dev", rows)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("eval", lambda a: a[:-1]),
        ("eval", lambda a: a[:, :6]),
        ("eval", lambda a: np.where(np.arange(7) == 3, np.inf, a).astype(np.float16)),
        ("eval", lambda a: a.astype(np.float64)),
        ("views", lambda a: a[1:]),
        ("views", lambda a: np.full_like(a, np.nan)),
        ("views", lambda a: a.astype(np.float32)),
        ("views", lambda a: a[:, 0]),
    ],
    ids=[
        "row lost",
        "six classes",
        "infinite",
        "float64",
        "view row lost",
        "nan view",
        "other type",
        "no view axis",
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_writer_and_reader(tmp_path, rows, name, change):
    made = dev_logits(rows)
    with pytest.raises(ArtifactError):
        write_logits(
            tmp_path / "bad", dataclasses.replace(made, **{name: change(getattr(made, name))})
        )
    assert not list(tmp_path.iterdir())
    write_logits(tmp_path / "dev", made)
    np.save(tmp_path / "dev" / f"{name}.npy", change(getattr(made, name)))
    with pytest.raises(ArtifactError):
        read_logits(tmp_path / "dev", rows)


def test_pickled_array_is_never_loaded(tmp_path, rows):
    write_logits(tmp_path / "dev", dev_logits(rows))
    np.save(tmp_path / "dev" / "eval.npy", np.array([{}]), allow_pickle=True)
    reseal(tmp_path / "dev")
    with pytest.raises(ArtifactError, match="damaged"):
        read_logits(tmp_path / "dev", rows)


def test_float16_overflow_is_refused_not_stored():
    rows = rows_of(TEST)
    with pytest.raises(ArtifactError, match="not finite"), np.errstate(over="ignore"):
        logits_set(rows, ("test",), 0, scale=1e6)
