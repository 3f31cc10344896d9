from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.deploy import latency
from fer_core.deploy.latency import CPU, Subject, measure_latency, read_latency, write_latency
from fer_core.deploy.options import LatencyOptions
from fer_core.errors import ArtifactError
from tests.deploy.conftest import Exported

OPTIONS = LatencyOptions(rounds=2, calls=3, batches=(1, 2), threads=(1, 0))


@pytest.fixture(scope="module")
def table(exported: Exported) -> pd.DataFrame:
    subjects = [Subject("reference", "fp32", exported.files["fp32"]), Subject("kd-1", "fp16", exported.files["fp16"])]
    return measure_latency(subjects, [CPU], OPTIONS, usable_threads=2)


def test_every_combination_is_timed_once(table: pd.DataFrame) -> None:
    keys = table[["model", "precision", "scope", "batch", "threads"]]
    assert len(keys.drop_duplicates()) == len(table) == 2 * 2 * 2 * 2
    assert set(table["threads"]) == {1, 2}
    assert set(table["calls"]) == {6}


def test_one_core_is_not_timed_twice(exported: Exported) -> None:
    table = measure_latency([Subject("reference", "fp32", exported.files["fp32"])], [CPU], OPTIONS, usable_threads=1)
    assert table["threads"].tolist() == [1] * 4


def test_percentiles_are_ordered_and_the_machine_is_named(table: pd.DataFrame) -> None:
    assert (table["p50_ms"] > 0).all()
    assert (table["p50_ms"] <= table["p90_ms"]).all() and (table["p90_ms"] <= table["p99_ms"]).all()
    assert (table["best_p50_ms"] <= table["p90_ms"]).all()
    assert table["cpu"].str.len().min() > 0 and table["onnxruntime"].nunique() == 1


def test_ratio_compares_the_same_work_only(table: pd.DataFrame) -> None:
    assert (table.loc[table["model"] == "reference", "ratio_to_reference"] == 1).all()
    mine = table[(table["model"] == "kd-1") & (table["scope"] == "crop") & (table["batch"] == 2) & (table["threads"] == 1)]
    reference = table[(table["model"] == "reference") & (table["scope"] == "crop") & (table["batch"] == 2) & (table["threads"] == 1)]
    assert mine["ratio_to_reference"].item() == pytest.approx(mine["best_p50_ms"].item() / reference["best_p50_ms"].item())


def test_statistics_are_of_the_timed_calls_and_rounds_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = [0], []

    def work(name: str, nanoseconds: int) -> Callable[[], None]:
        def call() -> None:
            order.append(name)
            clock[0] += nanoseconds

        return call

    monkeypatch.setattr(latency.time, "perf_counter_ns", lambda: clock[0])
    times = latency._timed_rounds(
        [work("a", 2_000_000), work("b", 5_000_000)], LatencyOptions(rounds=3, calls=4, batches=(1,), threads=(1,))
    )
    np.testing.assert_array_equal(times[0], np.full((3, 4), 2.0))
    np.testing.assert_array_equal(times[1], np.full((3, 4), 5.0))
    assert "".join(order).replace("a" * 7, "A").replace("b" * 7, "B") == "ABABAB"
    values = np.array([[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]])
    found = latency._statistics(values, batch=3)
    assert (found["p50_ms"], found["best_p50_ms"], found["mean_ms"]) == (4.5, 2.0, 4.5)
    assert found["images_per_s"] == pytest.approx(3000 / 4.5)


def test_table_is_read_back_and_other_columns_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "metrics" / "latencybenchmarks.csv"
    write_latency(path, table)
    np.testing.assert_allclose(read_latency(path)["p50_ms"], table["p50_ms"], atol=1e-4)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ArtifactError, match="another version"):
        read_latency(path)
    with pytest.raises(ArtifactError, match="missing"):
        read_latency(tmp_path / "absent.csv")
