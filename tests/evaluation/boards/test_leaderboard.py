import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.boards.leaderboard import leaderboard, read_leaderboard, write_leaderboard
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import Ensemble, Weighting
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.kinds import SourceWeights, WeightsByClass, WeightsBySource
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, TEST, logits_set, rows_of
from tests.artifacts import reseal

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
SETS = {
    "everything": np.ones(210, dtype=bool),
    "large": (TEST_ROWS.frame["min_side"] >= 96).to_numpy(),
}
SKILLS = {"rn18": 1.3, "b3": 1.2}


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    calib = {
        tag: logits_set(DEV_ROWS, ("calib",), seed, model=tag, skill=skill, scale=5)
        for seed, (tag, skill) in enumerate(SKILLS.items())
    }
    return choose_ensemble(
        calib, EnsembleOptions(spaces=["logit"], step=0.25, objective="nll"), 15
    )[0]


def teachers() -> dict[str, LogitsSet]:
    return {
        tag: logits_set(TEST_ROWS, ("test",), seed + 10, model=tag, skill=skill, scale=5)
        for seed, (tag, skill) in enumerate(SKILLS.items())
    }


def test_every_entry_stands_on_every_set_by_falling_macro_f1(ensemble):
    board = leaderboard(teachers(), ensemble, SETS, OPTIONS, seed=1).rows
    assert len(board) == 2 * (2 * 2 + 3)
    for name, mask in SETS.items():
        rows = [row for row in board if row["set"] == name]
        assert sorted((row["entry"], row["calibrated"]) for row in rows) == sorted(
            [
                ("rn18", False),
                ("rn18", True),
                ("b3", False),
                ("b3", True),
                ("best_single", True),
                ("uniform", True),
                ("ensemble", True),
            ]
        )
        assert [row["entry"] for row in rows if row["chosen"]] == ["ensemble"]
        values = [row["metrics"]["macro_f1"]["value"] for row in rows]
        assert values == sorted(values, reverse=True)
        assert {(row["rows_expected"], row["rows_used"]) for row in rows} == {
            (mask.sum(), mask.sum())
        }


def test_numbers_are_those_of_the_logits(ensemble):
    ensemble = dataclasses.replace(
        ensemble, chosen=Weighting("logit", {"rn18": 0.75, "b3": 0.25}, 0.9, {})
    )
    logits = teachers()
    board = leaderboard(logits, ensemble, SETS, OPTIONS, seed=1).rows
    mask = SETS["large"]
    found = {
        (row["entry"], row["calibrated"]): row["metrics"] for row in board if row["set"] == "large"
    }
    labels = TEST_ROWS.labels[mask]
    raw = measure(outcome_of(logits["b3"].eval[mask], labels, 15))
    scaled = measure(outcome_of(logits["b3"].eval[mask], labels, 15, ensemble.temperatures["b3"]))
    fused = measure(
        outcome_of(
            ensemble.fused({tag: item.eval[mask] for tag, item in logits.items()}), labels, 15
        )
    )
    uniform = ensemble.fused(
        {tag: item.eval[mask] for tag, item in logits.items()}, ensemble.uniform
    )
    alone = ensemble.fused(
        {tag: item.eval[mask] for tag, item in logits.items()}, ensemble.best_single
    )
    references = {
        "uniform": measure(outcome_of(uniform, labels, 15)),
        "best_single": measure(outcome_of(alone, labels, 15)),
    }
    entries = {("b3", False): raw, ("b3", True): scaled, ("ensemble", True): fused} | {
        (name, True): references[name] for name in references
    }
    assert (
        len({expected["nll"] for expected in entries.values()}) == 5
    )  # so that none can stand for another
    for key, expected in entries.items():
        assert {name: interval["value"] for name, interval in found[key].items()} == pytest.approx(
            expected, abs=1e-6
        )
    assert scaled["nll"] < raw["nll"]


def test_written_board_is_read(tmp_path, ensemble):
    board = leaderboard(teachers(), ensemble, SETS, OPTIONS, seed=1)
    write_leaderboard(tmp_path / "board", board, TEST_ROWS.sha256)
    assert read_leaderboard(tmp_path / "board") == board
    table = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    assert len(table) == len(board.rows) + len(SETS)
    assert table.loc[table["entry"] == "oracle", "attainable"].tolist() == [False, False]
    large = next(row for row in board.rows if (row["set"], row["entry"]) == ("large", "uniform"))
    line = table[(table["set"] == "large") & (table["entry"] == "uniform")].iloc[0]
    assert line["f1_Disgust"] == large["per_class_f1"]["Disgust"]
    assert line["macro_f1"] == pytest.approx(
        line[[name for name in table if name.startswith("f1_")]].astype(float).mean(), abs=1e-5
    )
    assert {
        "set",
        "entry",
        "weights",
        "macro_f1",
        "macro_f1_low",
        "macro_f1_high",
        "ece_high",
    } <= set(table)
    assert table.loc[table["entry"] == "uniform", "weights"].iloc[0] == "rn18=0.5 b3=0.5"


@pytest.mark.parametrize("change", [{"model_sha256": "newer"}, {"preprocessing_hash": "other"}])
def test_another_version_of_the_teachers_is_refused(ensemble, change):
    logits = {tag: dataclasses.replace(item, **change) for tag, item in teachers().items()}
    with pytest.raises(ArtifactError, match="another version"):
        leaderboard(logits, ensemble, SETS, OPTIONS, seed=1)


def test_dev_logits_and_missing_teachers_are_refused(ensemble):
    with pytest.raises(ArtifactError, match="needs the test logits"):
        leaderboard({"rn18": teachers()["rn18"]}, ensemble, SETS, OPTIONS, seed=1)
    dev = {tag: logits_set(DEV_ROWS, ("calib",), 1, model=tag) for tag in SKILLS}
    with pytest.raises(ArtifactError, match="needs the test logits"):
        leaderboard(dev, ensemble, SETS, OPTIONS, seed=1)


def test_fixed_temperature_divides_raw_fused_logits(ensemble):
    ensemble = dataclasses.replace(ensemble, fixed_temperatures=(1.2,))
    logits = teachers()
    board = leaderboard(logits, ensemble, {"large": SETS["large"]}, OPTIONS, seed=1).rows
    found = {row["entry"]: row for row in board}
    labels = TEST_ROWS.labels[SETS["large"]]
    raw = {tag: item.eval[SETS["large"]].astype(float) for tag, item in logits.items()}
    expected = {
        "b3 T=1.2": raw["b3"],
        "best_single T=1.2": raw["rn18"],
        "uniform T=1.2": (raw["rn18"] + raw["b3"]) / 2,
        "ensemble T=1.2": sum(weight * raw[tag] for tag, weight in ensemble.chosen.weights.items()),
    }
    for entry, fused in expected.items():
        values = measure(outcome_of(fused, labels, 15, 1.2))
        assert {
            name: interval["value"] for name, interval in found[entry]["metrics"].items()
        } == pytest.approx(values, abs=1e-6)
        assert (found[entry]["calibrated"], found[entry]["chosen"]) == (False, False)
    assert len(board) == 7 + 2 + 3


def test_given_weights_are_entries_calibrated_and_at_fixed_temperatures(ensemble):
    given = {"old": Weighting("logit", {"rn18": 0.4, "b3": 0.6}, 0.9, {})}
    ensemble = dataclasses.replace(ensemble, given=given, fixed_temperatures=(1.2,))
    logits = teachers()
    found = {
        row["entry"]: row
        for row in leaderboard(logits, ensemble, {"large": SETS["large"]}, OPTIONS, 1).rows
        if "old" in row["entry"]
    }
    raw = {tag: item.eval[SETS["large"]].astype(float) for tag, item in logits.items()}
    labels = TEST_ROWS.labels[SETS["large"]]
    calibrated = sum(
        weight * raw[tag] / ensemble.temperatures[tag]
        for tag, weight in given["old"].weights.items()
    )
    fixed = sum(weight * raw[tag] for tag, weight in given["old"].weights.items())
    for entry, values in (
        ("old", measure(outcome_of(calibrated, labels, 15, 0.9))),
        ("old T=1.2", measure(outcome_of(fixed, labels, 15, 1.2))),
    ):
        assert {
            name: one["value"] for name, one in found[entry]["metrics"].items()
        } == pytest.approx(values, abs=1e-6)
        assert found[entry]["weights"] == given["old"].weights and not found[entry]["chosen"]


def test_kinds_of_weights_are_entries_and_weights_by_source_follow_the_rows(ensemble):
    alone = {
        tag: SourceWeights({"rn18": float(tag == "rn18"), "b3": float(tag == "b3")}, 1.0)
        for tag in SKILLS
    }
    per_source = WeightsBySource("logit", {"large": alone["b3"]}, alone["rn18"], {})
    per_class = WeightsByClass("logit", {"rn18": [1.0] * 7, "b3": [0.0] * 7}, 1.0)
    ensemble = dataclasses.replace(
        ensemble, kinds={"per_class": per_class, "per_source": per_source}
    )
    logits = teachers()
    sources = np.where(SETS["large"], "large", "small")
    found = {
        (row["set"], row["entry"]): row
        for row in leaderboard(logits, ensemble, SETS, OPTIONS, 1, sources).rows
        if row["calibrated"]
    }
    assert found["large", "per_source"]["metrics"] == found["large", "b3"]["metrics"]
    assert found["everything", "per_class"]["metrics"] == found["everything", "rn18"]["metrics"]
    assert found["large", "rn18"]["metrics"] != found["large", "b3"]["metrics"]
    with pytest.raises(ArtifactError, match="source of each row"):
        leaderboard(logits, ensemble, SETS, OPTIONS, seed=1)


def test_oracle_is_right_where_any_teacher_is_and_no_entry_of_one_teacher_beats_it(ensemble):
    logits = teachers()
    board = leaderboard(logits, ensemble, SETS, OPTIONS, seed=1)
    right = [item.eval.argmax(1) == TEST_ROWS.labels for item in logits.values()]
    for found in board.oracles:
        mask = SETS[found["set"]]
        assert found["metrics"]["accuracy"]["value"] == pytest.approx(
            (right[0] | right[1])[mask].mean(), abs=1e-6
        )
        for row in board.rows:
            if row["set"] == found["set"] and row["entry"] in SKILLS:
                assert row["metrics"]["accuracy"]["value"] < found["metrics"]["accuracy"]["value"]
                assert row["metrics"]["macro_f1"]["value"] < found["metrics"]["macro_f1"]["value"]
        assert (found["attainable"], found["rows_used"]) == (False, mask.sum())


def test_board_of_another_version_is_refused(tmp_path, ensemble):
    write_leaderboard(
        tmp_path / "board",
        leaderboard(teachers(), ensemble, SETS, OPTIONS, seed=1),
        TEST_ROWS.sha256,
    )
    reseal(tmp_path / "board", kind="leaderboard/1")
    with pytest.raises(ArtifactError, match="another kind or version"):
        read_leaderboard(tmp_path / "board")
