"""The interval of a cross-validation holds the truth at least as often as it says, and its words are
plain.
"""

import numpy as np
import pytest

from fer_core.evaluation.crossval.crossval import crossval_words, measure_crossval
from fer_core.evaluation.metrics.bootstrap import Interval, interval_of
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.options import EvaluationOptions

EVALUATION = EvaluationOptions(bootstrap=200, bins=15, compare_set="all")
FOLDS, PEOPLE, EACH = 5, 30, 2


def answers(labels: np.ndarray, said: np.ndarray, people: np.ndarray) -> Answers:
    return Answers([f"{i:03d}" for i in range(len(labels))], labels, np.eye(7)[said], people)


class World:
    """Two classes of one number; a person's two faces share a shift, and a network is the middle
    between the class means of the people it saw, so that its true accuracy can be computed.
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def people(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        who = np.repeat(np.arange(count), EACH)
        labels = (who % 2).astype(np.int64)
        shift = self.random.normal(0, 0.7, count)[who]
        return labels + shift + self.random.normal(0, 0.7, len(who)), labels, who

    @staticmethod
    def threshold(values: np.ndarray, labels: np.ndarray) -> float:
        return float((values[labels == 0].mean() + values[labels == 1].mean()) / 2)


def plain_interval(found: Answers, seed: int) -> Interval:
    """Of independent faces."""
    return interval_of(
        lambda drawn: np.average(found.right, weights=drawn), found.weights(200, seed)
    )


def test_the_interval_holds_the_accuracy_on_new_people_where_a_plain_one_does_not() -> None:
    held, plain = 0, 0
    fresh, fresh_labels, _ = World(999).people(20_000)
    for seed in range(150):
        values, labels, who = World(seed).people(PEOPLE)
        fold_of = (who // 2) % FOLDS  # people take turns in classes
        said = np.empty(len(labels), dtype=np.int64)
        for fold in range(FOLDS):
            out = fold_of == fold
            said[out] = values[out] > World.threshold(values[~out], labels[~out])
        of_all = World.threshold(values, labels)
        truth = float(((fresh > of_all) == fresh_labels).mean())
        found = answers(labels, said, who)
        measured = measure_crossval(found, fold_of, EVALUATION, seed)["accuracy"]
        held += measured["low"] <= truth <= measured["high"]
        narrow = plain_interval(answers(labels, said, np.arange(len(labels))), seed)
        plain += narrow.low <= truth <= narrow.high
    assert held >= 0.95 * 150 > plain


def test_the_interval_of_five_parts_is_half_as_wide_again_as_a_plain_one() -> None:
    """1 + 5 / 4 is the square of 1.5. People with 19 faces and with one make the plain interval so
    wide that Wilson's of as many people lies within it.
    """
    who = np.repeat(np.arange(100), np.where(np.arange(100) % 2, 1, 19))
    labels = np.zeros(len(who), dtype=np.int64)
    found = answers(labels, (who % 4 < 2).astype(np.int64), who)
    plain = plain_interval(found, 1)
    wide = measure_crossval(found, who % 5, EVALUATION, 1)["accuracy"]
    assert wide["value"] == 0.5 == plain.value
    assert wide["low"] == pytest.approx(0.5 - 1.5 * (0.5 - plain.low), abs=1e-6)
    assert wide["high"] == pytest.approx(0.5 + 1.5 * (plain.high - 0.5), abs=1e-6)


def test_answers_that_are_all_right_prove_little_where_there_are_few() -> None:
    labels = np.arange(21) % 7
    found = measure_crossval(answers(labels, labels, np.arange(21)), labels % 3, EVALUATION, 1)
    assert found["accuracy"]["value"] == 1 == found["macro_f1"]["value"]
    assert found["accuracy"]["low"] < 0.8 and found["accuracy"]["high"] == 1
    assert found["macro_f1"]["low"] == found["accuracy"]["low"]


def test_one_person_with_many_faces_counts_once() -> None:
    labels = np.arange(42) % 7
    said = np.where(np.arange(42) % 3 == 0, 0, labels)
    few = measure_crossval(answers(labels, said, np.arange(42) // 6), labels % 3, EVALUATION, 1)
    many = measure_crossval(answers(labels, said, np.arange(42)), labels % 3, EVALUATION, 1)
    assert (few["groups"], many["groups"]) == (7, 42)
    assert few["accuracy"]["value"] == many["accuracy"]["value"]
    widths = [one["accuracy"]["high"] - one["accuracy"]["low"] for one in (few, many)]
    assert widths[0] > 1.5 * widths[1]
    assert sum(part["rows"] for part in few["parts"]) == 42


@pytest.mark.parametrize(("groups", "words"), [(60, "84 faces of 60 people"), (84, "nobody says")])
def test_its_words_name_faces_people_and_both_ends(groups: int, words: str) -> None:
    share = {"value": 0.5, "low": 0.3125, "high": 0.6875}
    found = {"rows": 84, "groups": groups, "folds": 5, "accuracy": share, "macro_f1": share}
    confusion = np.diag([4, 1, 0, 4, 4, 4, 4]) + np.eye(7, k=1, dtype=int)
    text = crossval_words(found | {"confusion": confusion.tolist()})
    assert text.endswith("Least often right: Fear, 0 of 1.")
    assert words in text and "anywhere between 31% and 69%" in text
    assert crossval_words({"n": 9, "reason": "why"}) == "No cross-validation of these 9 faces: why."
