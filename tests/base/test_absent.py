"""What a declaration of absent classes changes, in one place for the gate, averages and batches."""

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import f1_score

from fer_core.base.absent import absent_classes, declare_absent, present_classes
from fer_core.base.errors import ParamsError, TrainingError
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from fer_core.training.loop.batches import balanced_batches
from fer_core.training.loop.scores import val_scores
from fer_core.training.teachers.teacher import effective_number_weights


@pytest.fixture(autouse=True)
def undeclared() -> Iterator[None]:
    yield
    declare_absent({})


def test_nothing_is_absent_until_it_is_declared() -> None:
    declare_absent({"seed": 1})
    assert absent_classes() == () and present_classes() == list(range(7))


def test_names_are_taken_in_canonical_order() -> None:
    declare_absent({"labels": {"absent": ["Neutral", "Fear"]}})
    assert absent_classes() == ("Fear", "Neutral") and present_classes() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    "names",
    [["Contempt"], ["Fear", "Fear"], ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise"]],
)
def test_no_class_twice_and_two_must_be_left(names: list[str]) -> None:
    with pytest.raises(ParamsError, match="labels"):
        declare_absent({"labels": {"absent": names}})


def test_macro_f1_is_the_mean_over_the_other_classes() -> None:
    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 6, 200), random.normal(size=(200, 7))
    logits[:, 6] = -1e4
    declare_absent({"labels": {"absent": ["Neutral"]}})
    expected = f1_score(labels, logits.argmax(1), labels=range(6), average="macro")
    assert measure(outcome_of(logits, labels, 10))["macro_f1"] == pytest.approx(expected)
    scores = val_scores(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels)
    assert scores["macro_f1"] == pytest.approx(expected)


def test_balanced_batches_do_without_a_class_only_where_it_is_declared_absent() -> None:
    rows = np.arange(60)
    labels = rows % 6
    with pytest.raises(TrainingError, match="no Neutral"):
        balanced_batches(rows, labels, 20, 1, 0)
    declare_absent({"labels": {"absent": ["Neutral"]}})
    batches = balanced_batches(rows, labels, 20, 1, 0)
    assert all(np.bincount(labels[batch], minlength=6).min() >= 2 for batch in batches)


def test_class_weights_of_a_class_without_rows_are_zero() -> None:
    weights = effective_number_weights(np.arange(60) % 6)
    assert weights[6] == 0 and np.isfinite(weights).all()
