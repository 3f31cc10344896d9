"""Subgroups: a planted gap is found, none is invented, and what has no number is named."""

import numpy as np
import pytest
from sklearn.metrics import recall_score

from fer_core.evaluation.fairness.fairness import (
    FairnessOptions,
    measure_fairness,
    parse_subgroups,
)
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.options import EvaluationOptions

OPTIONS = FairnessOptions(rows=100, rows_of_class=10)
EVALUATION = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")


def case(rng: np.random.Generator, worse: float, count: int = 600) -> tuple[Answers, np.ndarray]:
    """Answers that are right in 80 % of one group and `worse` less of the other."""
    labels, group = np.arange(count) % 7, rng.choice(np.array(["x", "y"], dtype=object), count)
    right = rng.random(count) < 0.8 - worse * (group == "y")
    said = np.where(right, labels, (labels + 1 + rng.integers(0, 6, count)) % 7)
    p = 0.05 + 0.65 * np.eye(7)[said]
    return Answers([f"a/{i}" for i in range(count)], labels, p, np.arange(count)), group


def measured(answers: Answers, **attributes: np.ndarray) -> dict:
    return measure_fairness(answers, attributes, OPTIONS, EVALUATION, 1)


def test_a_planted_gap_is_found_with_its_size() -> None:
    answers, group = case(np.random.default_rng(0), worse=0.2)
    found = measured(answers, g=group)["attributes"]["g"]
    x, y = found["groups"]["x"], found["groups"]["y"]
    assert x["n"] + y["n"] == 600 and found["worst"] == {"group": "y", "n": y["n"]}
    assert y["accuracy"]["value"] == pytest.approx(answers.right[group == "y"].mean(), abs=1e-6)
    assert y["shown"] and y["p_holm"] < 0.01
    assert y["difference"]["low"] < -0.2 < y["difference"]["high"] < 0
    said = answers.p.argmax(axis=1)
    rates = [recall_score(answers.labels[group == g], said[group == g], average=None) for g in "xy"]
    assert found["tpr_gap"]["value"] == pytest.approx(abs(rates[0] - rates[1]).mean(), abs=1e-6)


def test_groups_that_do_not_differ_are_told_apart_in_one_of_twenty_families() -> None:
    rng, shown = np.random.default_rng(1), 0
    for _ in range(40):
        answers, group = case(rng, worse=0.0, count=420)
        groups = measured(answers, g=group)["attributes"]["g"]["groups"].values()
        shown += any(one["shown"] for one in groups)
    assert shown <= 6


def test_p_is_two_sided_and_counts_the_sample_as_one_more_resample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 9 resamples 7 put x above y, one below, one level: p = 2 (1 + 2) / (1 + 9)."""
    drawn = [[2, 1, 1, 2]] * 7 + [[1, 2, 2, 1], [1, 1, 1, 1]]
    monkeypatch.setattr(Answers, "weights", lambda *_: [np.array(one) for one in drawn])
    said, labels = np.array([0, 1, 0, 1]), np.zeros(4, dtype=np.int64)
    four = Answers(["a", "b", "c", "d"], labels, 0.05 + 0.65 * np.eye(7)[said], np.arange(4))
    group = np.array(["x", "x", "y", "y"], dtype=object)
    found = measure_fairness(four, {"g": group}, FairnessOptions(rows=2), EVALUATION, 1)
    groups = found["attributes"]["g"]["groups"]
    assert (groups["x"]["p"], groups["y"]["p"]) == (0.6, 0.6)


def test_small_groups_and_unknown_rows_are_named_with_their_number_and_without_any_other() -> None:
    answers, group = case(np.random.default_rng(2), worse=0.1)
    group[:30], group[30:70] = "", "rare"
    found = measured(answers, g=group)["attributes"]["g"]
    assert found["unknown"] == {"n": 30, "reason": "nobody recorded it for these rows"}
    assert found["refused"] == {"rare": {"n": 40, "reason": "fewer than 100 rows"}}
    assert "rare" not in found["groups"] and found["rows"] == 570


def test_a_set_without_a_class_says_so_and_has_its_other_numbers() -> None:
    answers, group = case(np.random.default_rng(3), worse=0.1)
    kept = answers.labels != 1
    found = measured(answers.of(kept), g=group[kept])["attributes"]["g"]
    assert found["groups"]["x"]["without"] == "Disgust"
    assert found["tpr_gap"]["without"] == "Disgust" and 0 < found["tpr_gap"]["value"] < 1


def test_without_subgroups_or_with_one_group_there_is_a_reason() -> None:
    answers, _ = case(np.random.default_rng(4), worse=0.1)
    none = measured(answers)
    assert (none["n"], none["attributes"]) == (0, {}) and "no data set" in none["reason"]
    alone = measured(answers, g=np.full(600, "x", dtype=object))["attributes"]["g"]
    assert alone["tpr_gap"]["reason"] == "fewer than two groups"
    assert "p" not in alone["groups"]["x"]


def test_texts_become_columns() -> None:
    found = parse_subgroups(["age=20-39;gender=female", "", "gender=male"])
    assert {name: values.tolist() for name, values in found.items()} == {
        "age": ["20-39", "", ""],
        "gender": ["female", "", "male"],
    }
