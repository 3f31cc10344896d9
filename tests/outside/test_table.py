"""A table of logits from elsewhere: used as it is, or refused with its file and row."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import DataError, ModelError
from fer_core.base.labels import CLASSES
from fer_core.outside.answering.table import LogitsTable, read_logits_table
from tests.outside.peers import UNKNOWN, parsed
from tests.tiny import VIEWS

IDS = ["a/1", "a/2", "NA"]
LOGITS = np.random.default_rng(1).normal(0, 3, (3, 7)).round(4)


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"sample_id": IDS, **columns, **dict(zip(CLASSES, LOGITS.T, strict=True))})


def read(path: Path, table: pd.DataFrame, **changes: object) -> LogitsTable:
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return read_logits_table(path, parsed({"logits": path.name, **UNKNOWN, **changes}), VIEWS)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_rows_are_found_by_picture_in_any_order(tmp_path: Path, name: str) -> None:
    table = read(tmp_path / name, frame().sample(frac=1, random_state=3))
    assert not table.has_views
    assert np.array_equal(table.of(["NA", "a/1"]), LOGITS[[2, 0]].astype(np.float32))


def test_views_are_rows_of_their_own(tmp_path: Path) -> None:
    parts = [frame(view=view).set_index("sample_id") for view in range(2)]
    parts[1][list(CLASSES)] += 1
    table = read(tmp_path / "t.csv", pd.concat(parts).reset_index(), views=VIEWS.hash())
    assert table.has_views
    assert np.allclose(table.of(IDS, 1), LOGITS + 1, atol=1e-6)


def test_probabilities_become_log_probabilities(tmp_path: Path) -> None:
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    table = frame()
    table[list(CLASSES)] = p
    found = read(tmp_path / "t.csv", table, answers="probabilities")
    assert np.allclose(found.of(IDS), np.log(p), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="Fear"), ["columns", "Angry, Disgust, Happy", "Fear"]),
        (lambda t: t[[*t.columns[:-2], "Neutral", "Surprise"]], ["order", "Neutral, Surprise"]),
        (lambda t: t.assign(Contempt=0.0), ["columns", "Contempt", "take others out"]),
        (lambda t: pd.concat([t, t.iloc[:1]]), ["given twice", "row 3", "a/1, view 0"]),
        (lambda t: t.assign(Sad=[0, np.nan, 0]), ["no finite", "row 1, Sad"]),
        (lambda t: t.assign(Sad=[0, 0, np.inf]), ["no finite", "row 2, Sad", "inf"]),
        (lambda t: t.assign(Sad=[1e6, 0, 0]), ["no finite", "row 0, Sad", "65504"]),
        (lambda t: t.assign(Sad=["x", "0", "1"]), ["no finite", "row 0, Sad", "x"]),
    ],
)
def test_a_faulty_table_is_refused(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], told: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "t.csv", change(frame()))
    assert all(text in str(caught.value) for text in ["t.csv", *told])


def test_a_picture_that_is_missing_is_named(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", frame())
    with pytest.raises(DataError, match=r"1 of 2 pictures(.|\n)*t\.csv(.|\n)*b/9"):
        table.of(["a/1", "b/9"])


def test_views_of_unknown_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=VIEWS.hash()):
        read(tmp_path / "t.csv", frame(view=0))


def test_logits_are_no_probabilities(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no probability(.|\n)*t\.csv: answer 0"):
        read(tmp_path / "t.csv", frame(), answers="probabilities")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_logits_table(path, parsed({"logits": name, **UNKNOWN}), VIEWS)
