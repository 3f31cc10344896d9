import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_core.data.logits import LogitsSet
from fer_core.errors import ArtifactError
from fer_core.evaluation.ensemble import Ensemble, Weighting, choose_ensemble
from fer_core.evaluation.fusion import EnsembleOptions
from fer_core.evaluation.leaderboard import leaderboard, read_leaderboard, write_leaderboard
from fer_core.evaluation.metrics import measure, outcome_of
from fer_core.evaluation.options import EvaluationOptions
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

OPTIONS = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
SETS = {"everything": np.ones(210, dtype=bool), "large": (TEST_ROWS.frame["min_side"] >= 96).to_numpy()}
SKILLS = {"rn18": 1.3, "b3": 1.2}


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    calib = {
        tag: logits_set(DEV_ROWS, ("calib",), seed, model=tag, skill=skill, scale=5) for seed, (tag, skill) in enumerate(SKILLS.items())
    }
    return choose_ensemble(calib, EnsembleOptions(spaces=["logit"], step=0.25, objective="nll"), 15)[0]


def teachers() -> dict[str, LogitsSet]:
    return {
        tag: logits_set(TEST_ROWS, ("test",), seed + 10, model=tag, skill=skill, scale=5)
        for seed, (tag, skill) in enumerate(SKILLS.items())
    }


def test_every_entry_stands_on_every_set_by_falling_macro_f1(ensemble):
    board = leaderboard(teachers(), ensemble, SETS, OPTIONS, seed=1)
    assert len(board) == 2 * (2 * 2 + 3)
    for name, mask in SETS.items():
        rows = [row for row in board if row["set"] == name]
        assert sorted((row["entry"], row["calibrated"]) for row in rows) == sorted(
            [("rn18", False), ("rn18", True), ("b3", False), ("b3", True), ("best_single", True), ("uniform", True), ("ensemble", True)]
        )
        assert [row["entry"] for row in rows if row["chosen"]] == ["ensemble"]
        values = [row["metrics"]["macro_f1"]["value"] for row in rows]
        assert values == sorted(values, reverse=True)
        assert {(row["rows_expected"], row["rows_used"]) for row in rows} == {(mask.sum(), mask.sum())}


def test_numbers_are_those_of_the_logits(ensemble):
    ensemble = dataclasses.replace(ensemble, chosen=Weighting("logit", {"rn18": 0.75, "b3": 0.25}, 0.9, {}))
    logits = teachers()
    board = leaderboard(logits, ensemble, SETS, OPTIONS, seed=1)
    mask = SETS["large"]
    found = {(row["entry"], row["calibrated"]): row["metrics"] for row in board if row["set"] == "large"}
    labels = TEST_ROWS.labels[mask]
    raw = measure(outcome_of(logits["b3"].eval[mask], labels, 15))
    scaled = measure(outcome_of(logits["b3"].eval[mask], labels, 15, ensemble.temperatures["b3"]))
    fused = measure(outcome_of(ensemble.fused({tag: item.eval[mask] for tag, item in logits.items()}), labels, 15))
    uniform = ensemble.fused({tag: item.eval[mask] for tag, item in logits.items()}, ensemble.uniform)
    alone = ensemble.fused({tag: item.eval[mask] for tag, item in logits.items()}, ensemble.best_single)
    references = {"uniform": measure(outcome_of(uniform, labels, 15)), "best_single": measure(outcome_of(alone, labels, 15))}
    entries = {("b3", False): raw, ("b3", True): scaled, ("ensemble", True): fused} | {
        (name, True): references[name] for name in references
    }
    assert len({expected["nll"] for expected in entries.values()}) == 5  # so that none can stand for another
    for key, expected in entries.items():
        assert {name: interval["value"] for name, interval in found[key].items()} == pytest.approx(expected, abs=1e-6)
    assert scaled["nll"] < raw["nll"]


def test_written_board_is_read(tmp_path, ensemble):
    board = leaderboard(teachers(), ensemble, SETS, OPTIONS, seed=1)
    write_leaderboard(tmp_path / "board", board, TEST_ROWS.sha256)
    assert read_leaderboard(tmp_path / "board") == board
    table = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    assert len(table) == len(board)
    assert {"set", "entry", "weights", "macro_f1", "macro_f1_low", "macro_f1_high", "ece_high"} <= set(table)
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
