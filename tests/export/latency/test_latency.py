import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError, MachineError
from fer_core.export.latency import latency, subjects
from fer_core.export.latency.alone import measure_alone
from fer_core.export.latency.latency import Case, held_to, measure_latency
from fer_core.export.latency.records import read_latency, write_latency
from fer_core.export.latency.subjects import CPU, Subject, file_subject, usable_providers
from fer_core.export.onnx.options import LatencyOptions
from fer_core.predict.detection import YuNet
from fer_core.predict.fetching import detector_file
from tests.exports import Exported

OPTIONS = LatencyOptions(rounds=2, calls=3, batches=(1, 2), threads=(1, 0), warm_up=1)


@pytest.fixture(scope="module")
def table(exported: Exported) -> pd.DataFrame:
    subjects = [
        file_subject("reference", "fp32", exported.files["fp32"]),
        file_subject("kd-1", "fp16", exported.files["fp16"]),
    ]
    return measure_latency(subjects, [CPU], OPTIONS, usable_threads=2)


def test_every_combination_is_timed_once(table: pd.DataFrame) -> None:
    keys = table[["model", "precision", "scope", "batch", "threads"]]
    assert len(keys.drop_duplicates()) == len(table) == 2 * 2 * 2 * 2
    assert set(table["threads"]) == {1, 2}
    assert set(table["calls"]) == {6}


def test_one_core_is_not_timed_twice(exported: Exported) -> None:
    table = measure_latency(
        [file_subject("reference", "fp32", exported.files["fp32"])],
        [CPU],
        OPTIONS,
        usable_threads=1,
    )
    assert table["threads"].tolist() == [1] * 4


def test_percentiles_are_ordered_and_the_machine_is_named(table: pd.DataFrame) -> None:
    assert (table["p50_ms"] > 0).all()
    assert (table["p50_ms"] <= table["p90_ms"]).all() and (table["p90_ms"] <= table["p99_ms"]).all()
    assert (table["best_p50_ms"] <= table["p90_ms"]).all()
    assert table["cpu"].str.len().min() > 0 and table["onnxruntime"].nunique() == 1


def test_ratio_compares_the_same_work_only(table: pd.DataFrame) -> None:
    assert (table.loc[table["model"] == "reference", "ratio_to_reference"] == 1).all()
    mine = table[
        (table["model"] == "kd-1")
        & (table["scope"] == "crop")
        & (table["batch"] == 2)
        & (table["threads"] == 1)
    ]
    reference = table[
        (table["model"] == "reference")
        & (table["scope"] == "crop")
        & (table["batch"] == 2)
        & (table["threads"] == 1)
    ]
    assert mine["ratio_to_reference"].item() == pytest.approx(
        mine["best_p50_ms"].item() / reference["best_p50_ms"].item()
    )


def test_statistics_are_of_the_timed_calls_and_rounds_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, order = [0], []

    def work(name: str, nanoseconds: int) -> Callable[[], None]:
        def call() -> None:
            order.append(name)
            clock[0] += nanoseconds

        return call

    monkeypatch.setattr(latency.time, "perf_counter_ns", lambda: clock[0])
    cases = [Case({"threads": 1}, work("a", 2_000_000)), Case({"threads": 1}, work("b", 5_000_000))]
    times = latency._timed_rounds(
        cases, LatencyOptions(rounds=3, calls=4, batches=(1,), threads=(1,), warm_up=3)
    )
    np.testing.assert_array_equal(times[0], np.full((3, 4), 2.0))
    np.testing.assert_array_equal(times[1], np.full((3, 4), 5.0))
    assert "".join(order).replace("a" * 7, "A").replace("b" * 7, "B") == "ABABAB"
    values = np.array([[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]])
    found = latency._statistics(values, batch=3)
    assert (found["p50_ms"], found["best_p50_ms"], found["mean_ms"]) == (4.5, 2.0, 4.5)
    assert found["images_per_s"] == pytest.approx(3000 / 4.5)


def test_ratio_to_single_precision_pairs_the_rounds_of_the_same_work() -> None:
    def case(model: str, precision: str, batch: int = 1) -> Case:
        facts = {
            "model": model,
            "precision": precision,
            "provider": "CPU",
            "scope": "model",
            "batch": batch,
            "threads": 1,
        }
        facts |= {"size": 40}
        return Case(facts, lambda: None)

    cases = [
        case("kd-1", "fp32"),
        case("kd-1", "int8"),
        case("reference", "fp32"),
        case("kd-1", "int8", batch=2),
    ]
    slow_spell = np.array([[1.0, 1.0, 1.0], [10.0, 10.0, 10.0], [1.0, 1.0, 1.0]])
    found = latency._paired_ratios(
        cases, [slow_spell, 0.5 * slow_spell, 3 * slow_spell, slow_spell]
    )
    assert found[:3] == [1.0, 0.5, 1.0]
    assert np.isnan(found[3]), "there is no fp32 file of this batch size"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin threads")
def test_threads_are_held_to_as_many_cores_and_let_go_again() -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), held_to(1):
        assert len(os.sched_getaffinity(0)) == 1 and os.sched_getaffinity(0) <= allowed
        raise ZeroDivisionError
    assert os.sched_getaffinity(0) == allowed


def test_busy_machine_is_said_to_be_one(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subjects = [file_subject("reference", "fp32", exported.files["fp32"])]
    options = LatencyOptions(rounds=1, calls=1, batches=(1,), threads=(1,))
    for load, told in ((0.2, False), (7.0, True)):
        facts = {"cpu": "c", "cores": 2, "load_average": load, "onnxruntime": "1"}
        monkeypatch.setattr(latency, "machine_facts", lambda facts=facts: facts)
        caplog.clear()
        measure_latency(subjects, [CPU], options, usable_threads=1)
        assert ("load 7.0 on 2 cores" in caplog.text) is told


def test_table_is_read_back_and_other_columns_are_refused(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    path = tmp_path / "metrics" / "latencybenchmarks.csv"
    write_latency(path, table)
    np.testing.assert_allclose(read_latency(path)["p50_ms"], table["p50_ms"], atol=1e-4)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ArtifactError, match="another version"):
        read_latency(path)
    with pytest.raises(ArtifactError, match="missing"):
        read_latency(tmp_path / "absent.csv")


class Recorder:
    """A network that notes the faces it is given, each of one grey."""

    def __init__(self, seen: list[list[int]]) -> None:
        self.seen = seen

    def prepare(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(images)

    def run(self, prepared: np.ndarray) -> None:
        self.seen.append(prepared[:, 0, 0, 0].tolist())


def test_each_call_is_given_other_faces_and_a_network_of_single_images_no_batch() -> None:
    faces = [np.full((4, 4, 3), grey, dtype=np.uint8) for grey in range(5)]
    seen: dict[str, list[list[int]]] = {"many": [], "single": []}
    subjects = [
        Subject(name, "fp32", 4, lambda _, __, name=name: Recorder(seen[name]), name == "many")
        for name in seen
    ]
    options = LatencyOptions(rounds=1, calls=6, batches=(1, 2), threads=(1,), warm_up=0)
    table = measure_latency(subjects, [CPU], options, usable_threads=1, faces=faces)
    assert table.groupby("model")["batch"].unique().map(list).to_dict() == {
        "many": [1, 2],
        "single": [1],
    }
    assert seen["single"][:6] == [[0], [1], [2], [3], [4], [0]], "model scope"
    assert [call for call in seen["many"] if len(call) == 2][:6] == [[0, 1], [2, 3]] * 3
    assert set(table["crop_side"]) == {4} and table["ratio_to_reference"].isna().all()


def test_few_faces_fill_a_large_batch() -> None:
    seen: list[list[int]] = []
    options = LatencyOptions(rounds=1, calls=1, batches=(3,), threads=(1,), warm_up=0)
    faces = [np.full((4, 4, 3), grey, dtype=np.uint8) for grey in range(2)]
    measure_latency(
        [Subject("a", "fp32", 4, lambda *_: Recorder(seen))],
        [CPU],
        options,
        usable_threads=1,
        faces=faces,
    )
    assert seen == [[0, 1, 0]] * 2


def test_a_network_is_held_against_the_reference_of_its_own_size() -> None:
    subjects = [
        Subject(name, "fp32", size, lambda *_: Recorder([]))
        for name, size in (("reference", 4), ("reference", 8), ("a", 8), ("b", 9))
    ]
    options = LatencyOptions(rounds=1, calls=3, batches=(1,), threads=(1,), warm_up=0)
    table = (
        measure_latency(subjects, [CPU], options, usable_threads=1)
        .query("scope == 'model'")
        .set_index(["model", "size"])
    )
    assert table.at[("a", 8), "ratio_to_reference"] == pytest.approx(
        table.at[("a", 8), "best_p50_ms"] / table.at[("reference", 8), "best_p50_ms"]
    )
    assert np.isnan(table.at[("b", 9), "ratio_to_reference"])


def test_a_search_for_faces_is_timed_beside_the_networks(exported: Exported) -> None:
    subject = file_subject("kd-1", "fp32", exported.files["fp32"])
    options = LatencyOptions(rounds=1, calls=20, batches=(1,), threads=(1,), warm_up=0)
    table = measure_latency([subject], [CPU], options, 1, detector=YuNet(detector_file()))
    (search,) = table[table["scope"] == "photo"].to_dict("records")
    assert search["model"] == "detector" and search["calls"] == 2
    assert search["p50_ms"] > 2 * table.loc[table["scope"] == "crop", "p50_ms"].item()
    assert np.isnan(search["memory_mb"]) and table["memory_mb"].max() > 0
    (whole,) = table[table["scope"] == "whole"].to_dict("records")
    assert whole["model"] == "kd-1" and whole["calls"] == 2 and whole["p95_ms"] >= whole["p50_ms"]
    assert whole["p50_ms"] > table.loc[table["scope"] == "crop", "p50_ms"].item()
    assert whole["memory_mb"] == table["memory_mb"].max()


def test_what_it_takes_is_that_of_a_process_of_its_own(exported: Exported, tmp_path: Path) -> None:
    found = measure_alone(exported.files["fp32"], [1, 2])
    assert exported.files["fp32"].stat().st_size / 1e6 < found.memory_mb < 500
    assert set(found.cores_busy) == {1, 2} and 0 < found.cores_busy[1] < 1.1
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(MachineError, match="network takes could not be measured"):
        measure_alone(broken, [1])


def test_providers_that_onnxruntime_offers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        "TensorrtExecutionProvider",
        "OpenVINOExecutionProvider",
        "DmlExecutionProvider",
        CPU,
    ]
    monkeypatch.setattr(subjects.onnxruntime, "get_available_providers", lambda: offered)
    assert usable_providers() == [CPU, "DmlExecutionProvider", "OpenVINOExecutionProvider"]
