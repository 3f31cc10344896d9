"""Scores of answers: kept ones, pictures without a face, and paired differences."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bench.peers.scores import answers_of, kept, scores_of
from fer_core.base.errors import DataError
from fer_core.evaluation.metrics.bootstrap import confidence_intervals, stratified_weights
from fer_core.evaluation.metrics.metrics import measure, outcome_of

LABELS = np.arange(70) % 7
ROWS = np.arange(70)


def answers(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(70, 7)) + 2 * np.eye(7)[LABELS]


def test_pictures_without_a_face_are_wrong_answers_of_no_class() -> None:
    given = answers(0)
    given[::5] = np.nan
    found = scores_of([given], LABELS, ROWS)
    said = np.where(np.isnan(given[:, 0]), 7, np.nan_to_num(given).argmax(axis=1))
    expected = f1_score(LABELS, said, labels=range(7), average="macro")
    assert found.values["macro_f1"] == pytest.approx(expected)
    assert found.values["accuracy"] == pytest.approx((said == LABELS).mean())
    assert (found.faces, found.found) == (70, pytest.approx(0.8))
    assert np.isfinite(found.values["ece"])
    with pytest.raises(DataError, match="No face was found"):
        scores_of([np.full((70, 7), np.nan)], LABELS, ROWS)


def test_parts_are_averaged_and_differences_are_of_the_same_resamples() -> None:
    a, b = answers(1), answers(2)
    both, alone = scores_of([a, b], LABELS, ROWS), scores_of([a], LABELS, ROWS)
    assert both.values["accuracy"] == pytest.approx(np.mean(both.parts))
    assert both.parts[0] == alone.values["accuracy"]
    same = alone.less(scores_of([a], LABELS, ROWS), "macro_f1")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    found = alone.interval("accuracy")
    assert found.low < found.value < found.high


def test_a_calibration_error_has_the_interval_of_the_pipeline() -> None:
    a, b = answers(1), answers(2)
    found = scores_of([a], LABELS, ROWS)
    outcome = outcome_of(a, LABELS, 15)
    expected = confidence_intervals(outcome, 1000, 1337, names=("ece",), clusters=ROWS)["ece"]
    assert found.interval("ece").to_dict() == expected.to_dict()
    drawn = [
        [measure(outcome_of(one, LABELS, 15), weights, ("ece",))["ece"] for one in (a, b)]
        for weights in stratified_weights(LABELS, 1000, 1337, ROWS)
    ]
    more = np.subtract(*np.transpose(drawn))
    less = found.less(scores_of([b], LABELS, ROWS), "ece")
    bias = more.mean() - less.value
    ends = np.quantile(more, [0.025, 0.975]) - bias
    assert (less.low, less.high) == pytest.approx(tuple(ends))


def test_the_accuracy_of_a_group_is_that_of_its_parts_alone() -> None:
    parts = [answers(seed) for seed in (1, 2, 3)]
    three, two = scores_of(parts, LABELS, ROWS), scores_of(parts[1:], LABELS, ROWS)
    assert three.accuracy_of([1, 2]) == two.interval("accuracy")


def test_intervals_take_persons_whole() -> None:
    labels = np.repeat(np.arange(7), 20)
    right = np.repeat(np.random.default_rng(0).random(28) < 0.6, 5)
    given = np.eye(7)[np.where(right, labels, (labels + 1) % 7)] * 4
    by_row = scores_of([given], labels, np.arange(140)).interval("accuracy")
    by_person = scores_of([given], labels, np.repeat(np.arange(28), 5)).interval("accuracy")
    assert by_person.high - by_person.low > 1.7 * (by_row.high - by_row.low)


def test_answers_skip_pictures_without_a_face() -> None:
    class Network:
        def prepare(self, images: list[np.ndarray]) -> np.ndarray:
            return np.stack(images)

        def run(self, prepared: np.ndarray) -> np.ndarray:
            return np.full((len(prepared), 7), prepared[:, 0, 0, 0, None], dtype=np.float32)

    face = np.full((4, 4, 3), 5, dtype=np.uint8)
    found = answers_of(Network(), [None, face, None], "a")
    assert np.isnan(found[[0, 2]]).all() and (found[1] == 5).all()


def test_kept_answers_are_not_made_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.array([1.0, np.nan])

    for source in ("a", "a", "b"):
        assert kept(tmp_path / "work", source, make)[0] == 1
    assert len(calls) == 2
    kept(None, "a", make)
    assert len(calls) == 3
