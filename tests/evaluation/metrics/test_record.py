import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import f1_score, log_loss

from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.metrics.bootstrap import confidence_intervals
from fer_core.evaluation.metrics.metrics import outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import (
    Evaluation,
    evaluate_logits,
    read_evaluation,
    record_evaluation,
)
from fer_core.logits.store import write_logits
from tests.arrange_logits import DEV, TEST, logits_set, rows_of
from tests.artifacts import reseal

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
SETS = {
    "everything": np.ones(210, dtype=bool),
    "large": (TEST_ROWS.frame["min_side"] >= 96).to_numpy(),
}
BUDGET = {"init_sha256": "i", "optimiser_steps": 100}


def record(out: Path, **changes: object) -> None:
    values = {
        "dev": logits_set(
            DEV_ROWS, ("train", "val", "calib"), 1, model="kd-1", views=True, dtype="float32"
        ),
        "test": logits_set(TEST_ROWS, ("test",), 2, model="kd-1", dtype="float32"),
        "dev_rows": DEV_ROWS,
        "test_rows": TEST_ROWS,
        "sets": SETS,
        "options": OPTIONS,
        "seed": 1,
        "budget": BUDGET,
    } | changes
    network = Evaluation(
        "kd-1",
        "student",
        *(values.pop(name) for name in ("dev", "test", "sets")),
        metrics={},
        budget=values.pop("budget"),
        cluster_of=values.pop("cluster_of", {}),
    )
    record_evaluation(out, network, **values)


def test_evaluation_is_read_as_recorded(tmp_path):
    record(tmp_path / "kd-1")
    found = read_evaluation(tmp_path / "kd-1")
    assert (found.key, found.kind, found.budget) == ("kd-1", "student", BUDGET)
    assert found.dev.covers == ("val", "calib")
    assert len(found.dev) == 350
    assert list(found.metrics) == ["val", "calib", "everything", "large"]
    for name, mask in SETS.items():
        np.testing.assert_array_equal(found.sets[name], mask)
        assert (
            found.metrics[name]["rows_expected"] == found.metrics[name]["rows_used"] == mask.sum()
        )
    by_set = {name: (logits, labels) for name, logits, labels in found.each_set()}
    logits, labels = by_set["large"]
    assert found.metrics["large"]["metrics"]["macro_f1"]["value"] == pytest.approx(
        f1_score(labels, logits.argmax(1), average="macro"), abs=1e-6
    )


def test_rows_of_one_picture_are_remembered_and_drawn_together(tmp_path):
    large = TEST_ROWS.frame[SETS["large"]]["sample_id"].tolist()
    record(tmp_path / "apart" / "kd-1")
    record(
        tmp_path / "together" / "kd-1",
        cluster_of={large[1]: large[0], "of another half": large[0]},
    )
    apart, together = (read_evaluation(tmp_path / name / "kd-1") for name in ("apart", "together"))
    assert together.cluster_of == {large[1]: large[0]}
    assert together.clusters("large")[:3].tolist() == [0, 0, 1] and apart.clusters("large")[
        :3
    ].tolist() == [0, 1, 2]
    assert (together.metrics["large"]["rows_used"], together.metrics["large"]["clusters"]) == (
        105,
        104,
    )
    for name in ("nll", "macro_f1"):
        before, after = (one.metrics["large"]["metrics"][name] for one in (apart, together))
        assert before["value"] == after["value"] and before != after
    assert apart.metrics["val"] == together.metrics["val"]


def test_metrics_carry_their_intervals():
    logits = logits_set(TEST_ROWS, ("test",), 2)
    found = evaluate_logits(logits.eval, logits.labels, OPTIONS, seed=1, temperature=2)
    expected = confidence_intervals(outcome_of(logits.eval, logits.labels, 15, 2), 100, seed=1)
    assert found["metrics"] == {name: interval.to_dict() for name, interval in expected.items()}
    assert sum(map(sum, found["confusion"])) == 210


def test_same_evaluation_gives_the_same_bytes(tmp_path):
    for name in "ab":
        record(tmp_path / name)
    files = [
        file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*") if file.is_file()
    ]
    assert len(files) == 12
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def other_weights(which: str) -> dict[str, object]:
    rows, covers = (DEV_ROWS, ("val", "calib")) if which == "dev" else (TEST_ROWS, ("test",))
    return {which: dataclasses.replace(logits_set(rows, covers, 1), model_sha256="other")}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"test_rows": Rows(TEST_ROWS.frame, "0" * 64)}, "other rows"),
        (
            {"dev_rows": Rows(DEV_ROWS.frame.iloc[1:], "d" * 64)},
            "miss rows or have too many|is not the pack's",
        ),
        (
            {"test": logits_set(rows_of({"test": 209}, "t" * 64), ("test",), 2, model="kd-1")},
            "miss rows",
        ),
        (other_weights("test"), "differ in their model"),
        ({"sets": {}}, "no named test set"),
        ({"sets": {"val": np.ones(210, dtype=bool)}}, "name of a split"),
        ({"sets": {"none": np.zeros(210, dtype=bool)}}, "empty"),
        ({"sets": {"short": np.ones(209, dtype=bool)}}, "does not fit"),
        ({"dev": logits_set(DEV_ROWS, ("val",), 1, model="kd-1")}, "do not cover"),
    ],
)
def test_what_is_not_whole_is_refused_and_leaves_nothing(tmp_path, changes, says):
    with pytest.raises(ArtifactError, match=says):
        record(tmp_path / "kd-1", **changes)
    assert not list(tmp_path.iterdir())


def lost_row(folder: Path) -> None:
    values = read_json(folder / "metrics.json")
    values["sets"]["large"]["rows_used"] -= 1
    write_json(folder / "metrics.json", values)


def other_test_logits(folder: Path) -> None:
    write_logits(
        folder / "test",
        dataclasses.replace(
            logits_set(TEST_ROWS, ("test",), 2, model="kd-1"), model_sha256="other"
        ),
    )


def fewer_test_logits(folder: Path) -> None:
    write_logits(
        folder / "test", logits_set(rows_of({"test": 209}, "t" * 64), ("test",), 2, model="kd-1")
    )


@pytest.mark.parametrize(
    "damage",
    [
        lost_row,
        other_test_logits,
        fewer_test_logits,
        lambda f: reseal(f, kind="evaluation/9"),
        lambda f: reseal(f, key="kd-2"),
        lambda f: reseal(f, classes=["Happy"]),
        lambda f: reseal(f, made_from={}),
        lambda f: (f / "sets.parquet").unlink(),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, damage):
    record(tmp_path / "kd-1")
    damage(tmp_path / "kd-1")
    if damage in (lost_row, other_test_logits, fewer_test_logits):
        reseal(tmp_path / "kd-1")
    with pytest.raises(ArtifactError):
        read_evaluation(tmp_path / "kd-1")


def test_scores_at_fixed_temperatures_stand_beside_the_raw_ones(tmp_path):
    options = OPTIONS.model_copy(update={"fixed_temperatures": (1.2,)})
    record(tmp_path / "kd-1", options=options)
    found = read_evaluation(tmp_path / "kd-1")
    by_set = {name: (logits, labels) for name, logits, labels in found.each_set()}
    logits, labels = by_set["large"]
    (fixed,) = found.metrics["large"]["fixed_temperatures"]
    assert fixed["temperature"] == 1.2
    assert fixed["nll"] == pytest.approx(
        log_loss(labels, softmax(logits / 1.2, axis=1), labels=range(7)), rel=1e-6
    )
    record(tmp_path / "plain" / "kd-1")
    plain = read_evaluation(tmp_path / "plain" / "kd-1")
    assert "fixed_temperatures" not in plain.metrics["large"]
