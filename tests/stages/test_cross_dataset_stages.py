"""The stages that leave data sets out: trainings that differ in nothing but rows, a matrix that is
scikit-learn's, and a record where nothing can be left out.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fer_core.base.errors import ArtifactError, DataError
from fer_core.base.files import read_json, write_json
from fer_core.base.params import Params
from fer_core.dataset.pack.pack import Pack, PackOptions, write_pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.logits.store import read_recorded_logits
from fer_core.training.crossdata import crossdata
from fer_core.training.crossdata.options import trainings_of
from fer_core.training.loop.run import TrainingRun
from stages import cross_dataset, cross_dataset_matrix, predict, student
from tests.arrange_sources import DEV, TEST, connect, write_project, write_sources
from tests.stages.training import edit_params
from tests.tiny import ARCH, dev_splits

INIT = Path("data/init") / ARCH
RECORD = Path("metrics/cross_dataset.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data sets "a", "b" and "c"; "c" has few test rows."""
    write_project(tmp_path, monkeypatch, a=42, b=28, c=7)
    return tmp_path


def train(key: str) -> dict[str, Any]:
    left_out, _, seed = key.rpartition("-")
    cross_dataset.main(key, left_out, int(seed), INIT)
    return read_json(Path(f"data/cross_dataset/{key}/record.json"))


def matrix() -> dict[str, Any]:
    cross_dataset_matrix.main()
    return read_json(RECORD)


def stored(key: str) -> np.ndarray:
    return read_recorded_logits(Path(f"data/cross_dataset/{key}/answers"), key).eval


def test_the_matrix_is_scikit_learn_s_of_the_stored_answers_and_refusals_have_reasons(
    project: Path,
) -> None:
    keys = list(trainings_of(Params.load().values))
    assert keys == ["none-1", "a-1", "b-1", "c-1"]
    records = {key: train(key) for key in keys}
    assert (records["c-1"]["n"], records["c-1"]["reason"]) == (7, "fewer than 14 test rows")
    assert not Path("data/cross_dataset/c-1/answers").exists()
    trained = {key: one for key, one in records.items() if "reason" not in one}
    # without "b" there are 42 + 84 train rows, the fewest; a batch has 14
    assert {one["steps"] for one in trained.values()} == {3 * 9}
    assert len({one["init_sha256"] for one in trained.values()}) == 1

    found = matrix()
    assert [*found["cells"]] == ["none", "a", "b"] and found["seeds"] == 1
    frame = read_rows(TEST).frame
    for left_out, cells in found["cells"].items():
        assert set(cells) == {"a", "b", "c"}
        said = stored(f"{left_out}-1").argmax(axis=1)
        for source in ("a", "b"):
            mine = (frame["source"] == source).to_numpy()
            labels = frame["label"].to_numpy()[mine]
            f1 = f1_score(labels, said[mine], labels=np.unique(labels), average="macro")
            cell = cells[source]
            assert cell["accuracy"]["value"] == pytest.approx(
                accuracy_score(labels, said[mine]), abs=1e-6
            )
            assert cell["macro_f1_present"]["value"] == pytest.approx(f1, abs=1e-6)
        assert cells["c"] == {"n": 7, "reason": "fewer than 14 test rows"}
    assert found["trainings"]["c-1"]["n"] == 7


def test_a_twin_planted_across_data_sets_is_excluded_even_by_way_of_a_row_that_left(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(
        {"b/train00003": "a/test00001", "c/dropped": "b/train00010"},
        groups={"a/test00002": "ann", "c/dropped": "ann"},
    )
    seen: list[TrainingRun] = []
    real = crossdata.train_student
    monkeypatch.setattr(
        crossdata, "train_student", lambda run, *rest: (seen.append(run), real(run, *rest))
    )
    kept = {*read_rows(DEV).sample_ids, *read_rows(TEST).sample_ids}
    planted = {"b/train00003", "b/train00010"}
    assert planted < kept and "a/test00001" in kept and "c/dropped" not in kept
    audit = train("a-1")["audit"]
    assert (audit["excluded_train"], audit["excluded_val"], audit["remaining"]) == (2, 0, 0)
    frame = seen[0].pack.rows.frame
    used = set(frame["sample_id"][frame["split"].isin(["train", "val"])])
    assert not planted & used and "b/train00004" in used
    assert not any(key.startswith("a/") for key in used)


def test_without_a_data_set_a_student_is_the_one_trained_by_hand_on_the_others(
    project: Path,
) -> None:
    """The data set left out is the largest, so that its training has the fewest steps and takes
    whole epochs.
    """
    edit_params(cross_dataset={"left_out": ["b"], "rows": 14})
    write_sources(DEV, {"a": dev_splits(42, 14, 7), "b": dev_splits(63, 14, 7)})
    write_sources(TEST, {"a": ["test"] * 28, "b": ["test"] * 28})
    edit_params(manifest={"sources": ["a", "b"]})
    connect({})
    train("b-5")
    dev = Pack.open(DEV)
    chosen = np.flatnonzero(dev.rows.frame["source"] == "a")
    images = list(dev.images(chosen))
    rows = dev.rows.frame.iloc[chosen].reset_index(drop=True)
    sizes = np.array([len(image) for image in images])
    rows = rows.drop(columns=["shard", "shard_row"])
    write_pack(DEV, rows, images.__getitem__, sizes, PackOptions(shard_megabytes=1))
    student.main("ce-5", "ce", 5, INIT, DEV / "rows.parquet")
    predict.main("ce-5", Path("data/students/ce-5/model"))
    by_hand = read_recorded_logits(Path("data/logits/ce-5/test")).eval
    assert np.array_equal(by_hand, stored("b-5"))


def test_one_data_set_alone_is_a_reason_in_the_file_and_no_failure(project: Path) -> None:
    edit_params(manifest={"sources": ["a"]})
    assert not trainings_of(Params.load().values)
    found = matrix()
    assert found["n"] == 77 and "only one data set" in found["reason"]
    assert "cells" not in found


def test_a_data_set_without_test_rows_is_refused_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, monkeypatch, a=42, b=28, c=0)
    monkeypatch.setattr(crossdata, "train_student", None)
    found = train("c-1")
    assert (found["n"], found["reason"]) == (0, "no test rows")


def test_a_named_set_that_is_empty_without_the_data_set_stops_before_any_training(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossdata, "train_student", None)
    edit_params(sets={"only": {"split": ["train"], "sources": ["a"]}}, student={"set": "only"})
    with pytest.raises(DataError, match=r"(?s)empty without.*sets\.only"):
        train("a-1")


def test_a_set_that_names_the_data_set_left_out_keeps_its_other_rows(project: Path) -> None:
    edit_params(sets={"two": {"split": ["train"], "sources": ["a", "b"]}}, student={"set": "two"})
    assert train("a-1")["train_rows"] == 63
    assert "none of its rows" in train("c-1")["reason"] or train("c-1")["n"] == 7


def test_trainings_of_other_rows_or_settings_are_not_compared(project: Path) -> None:
    edit_params(cross_dataset={"left_out": ["a"], "epochs": 2})
    for key in trainings_of(Params.load().values):
        assert train(key)["steps"] == 2 * 11  # 147 rows in batches of 14
    path = Path("data/cross_dataset/a-1/record.json")
    for name, value in {"steps": 1, "test_rows_sha256": "0" * 64}.items():
        record = read_json(path)
        write_json(path, record | {name: value})
        with pytest.raises(ArtifactError, match="more than the data set left out"):
            matrix()
        write_json(path, record)
    assert pd.notna(matrix()["cells"]["a"]["a"]["difference"]["accuracy"]["value"])
