"""Figures of the matrix are those of scikit-learn; intervals allow for rows, and for seeds where
there are several; words give both ends.
"""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fer_core.evaluation.crossdata.matrix import MatrixRows, measure_matrix
from fer_core.evaluation.elsewhere.words import cross_dataset_words, losses
from fer_core.evaluation.metrics.options import EvaluationOptions

EVALUATION = EvaluationOptions(bootstrap=300, bins=15, compare_set="all")
COUNTS = {"far": 140, "few": 10, "near": 210}


def asked(of_cluster: int = 1) -> MatrixRows:
    """Rows of three data sets; nobody in "far" shows the last class."""
    sources = np.repeat(np.array([*COUNTS], dtype=object), [*COUNTS.values()])
    labels = np.arange(len(sources), dtype=np.int64) % 7
    labels = np.where((sources == "far") & (labels == 6), 5, labels)
    return MatrixRows(labels, sources, np.arange(len(sources)) // of_cluster)


def answers(rows: MatrixRows, seed: int, skill: float, far: float) -> np.ndarray:
    """Logits [N, 7] that know labels, those of "far" so much."""
    random = np.random.default_rng(seed)
    known = np.where(rows.sources == "far", far, skill)[:, None]
    return random.normal(size=(len(rows.labels), 7)) + known * np.eye(7)[rows.labels]


def matrix(rows: MatrixRows, seeds: int = 1) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    runs = {
        "none": [answers(rows, 10 + s, 2.0, 2.0) for s in range(seeds)],
        "far": [answers(rows, 20 + s, 2.0, 0.7) for s in range(seeds)],
    }
    return measure_matrix(rows, runs, 20, EVALUATION, 3), runs


def by_hand(rows: MatrixRows, source: str, logits: np.ndarray) -> tuple[float, float]:
    mine = rows.sources == source
    labels, said = rows.labels[mine], logits[mine].argmax(axis=1)
    present = np.unique(labels)
    f1 = f1_score(labels, said, labels=present, average="macro", zero_division=0)
    return accuracy_score(labels, said), f1


@pytest.mark.parametrize("seeds", [1, 3])
def test_figures_are_scikit_learn_s_of_the_stored_answers(seeds: int) -> None:
    rows = asked()
    cells, runs = matrix(rows, seeds)
    for source in ("far", "near"):
        wanted = {
            left_out: np.mean([by_hand(rows, source, one) for one in some], axis=0)
            for left_out, some in runs.items()
        }
        for left_out, expected in wanted.items():
            cell = cells[left_out][source]
            found = [cell[name]["value"] for name in ("accuracy", "macro_f1_present")]
            assert found == pytest.approx(expected, abs=1e-6)
            assert cell["n"] == cell["groups"] == COUNTS[source]
            assert len(cell["by_seed"]["accuracy"]) == seeds
        apart = cells["far"][source]["difference"]
        found = [apart[name]["value"] for name in ("accuracy", "macro_f1_present")]
        assert found == pytest.approx(wanted["far"] - wanted["none"], abs=2e-6)
    assert cells["far"]["far"]["without"] == "Neutral" and "without" not in cells["far"]["near"]
    assert "difference" not in cells["none"]["far"]


def test_few_rows_have_a_number_and_a_reason_in_the_place_of_figures() -> None:
    cells, _ = matrix(asked())
    assert cells["none"]["few"] == cells["far"]["few"]
    assert cells["far"]["few"] == {"n": 10, "reason": "fewer than 20 test rows"}


def test_columns_are_in_the_order_of_the_rows_so_that_what_was_left_out_is_a_diagonal() -> None:
    rows = asked()
    runs = {key: [answers(rows, 1, 1.0, 1.0)] for key in ("none", "near", "far")}
    cells = measure_matrix(rows, runs, 20, EVALUATION, 3)
    assert [list(found) for found in cells.values()] == [["near", "far", "few"]] * 3


def test_a_planted_loss_is_shown_where_it_is_and_nowhere_else() -> None:
    cells, _ = matrix(asked())
    far, near = (cells["far"][source]["difference"]["accuracy"] for source in ("far", "near"))
    assert far["high"] < 0 and near["low"] < 0 < near["high"]


def test_faces_of_one_person_are_drawn_together() -> None:
    alone, _ = matrix(asked())
    cells, _ = matrix(asked(of_cluster=10))
    assert cells["far"]["far"]["groups"] == 14
    shares = [one["far"]["far"]["accuracy"] for one in (alone, cells)]
    assert shares[0]["value"] == shares[1]["value"] and shares[0] != shares[1]


def test_seeds_that_differ_widen_the_interval_which_stays_a_share() -> None:
    rows = asked()
    skills = (0.3, 3.5)
    runs = {"none": [answers(rows, 5, skill, skill) for skill in skills]}
    cell = measure_matrix(rows, runs, 20, EVALUATION, 3)["none"]["near"]["accuracy"]
    one = measure_matrix(rows, {"none": runs["none"][:1]}, 20, EVALUATION, 3)["none"]["near"]
    assert cell["high"] - cell["low"] > 3 * (one["accuracy"]["high"] - one["accuracy"]["low"])
    assert 0 <= cell["low"] < cell["high"] <= 1


def test_words_give_the_largest_loss_first_with_both_ends_and_say_what_seeds_do() -> None:
    cells, _ = matrix(asked())
    cells["near"] = {"near": {**cells["far"]["near"]}}
    found = {"cells": cells, "seeds": 1}
    assert list(losses(found)) == ["far", "near"]
    words = cross_dataset_words(found)
    share, lost = (
        part["accuracy"] for part in (cells["far"]["far"], cells["far"]["far"]["difference"])
    )
    assert f"Of far {share['value']:.0%} ({100 * lost['value']:+.0f} points, between" in words
    assert words.index("far") < words.index("; of near") and "One training each" in words
    assert "allow for other seeds" in cross_dataset_words(found | {"seeds": 3})


def test_words_of_what_could_not_be_tried() -> None:
    refused = {"n": 1200, "reason": "there is only one data set to learn from"}
    assert "1,200 test faces: there is only one" in cross_dataset_words(refused)
    assert "reasons" in cross_dataset_words({"cells": {"none": {}}, "seeds": 1})
