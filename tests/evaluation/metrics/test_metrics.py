import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax as scipy_log_softmax
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, f1_score, log_loss
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.metrics import (
    METRICS,
    all_metrics,
    f1_scores,
    log_softmax,
    measure,
    outcome_of,
    softmax,
)
from tests.arrange_logits import noisy_logits


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray]:
    labels = np.random.default_rng(0).choice(7, 2000, p=[0.05, 0.02, 0.1, 0.4, 0.2, 0.13, 0.1])
    return noisy_logits(labels, 1, skill=1.2, scale=1.7), labels


finite_logits = arrays(np.float64, (5, 7), elements=st.floats(-50, 50))


@given(finite_logits, st.floats(-100, 100))
def test_softmax_ignores_a_shift(logits, shift):
    np.testing.assert_allclose(softmax(logits), softmax(logits + shift), atol=1e-9)


@given(finite_logits, st.floats(0.01, 100))
def test_temperature_never_changes_the_prediction(logits, temperature):
    labels = np.zeros(5, dtype=int)
    np.testing.assert_array_equal(
        outcome_of(logits, labels, 15).predictions,
        outcome_of(logits, labels, 15, temperature).predictions,
    )


def test_log_softmax_survives_huge_logits_and_equals_scipys(case):
    np.testing.assert_allclose(
        log_softmax(case[0], 0.3), scipy_log_softmax(case[0] / 0.3, axis=1), atol=1e-12
    )
    assert np.isfinite(log_softmax(np.array([[1e4, -1e4, 0, 0, 0, 0, 0]]))).all()


def test_metrics_equal_scikit_learn(case):
    logits, labels = case
    p, predicted = softmax(logits), logits.argmax(1)
    found = measure(outcome_of(logits, labels, 15))
    per_class = f1_score(labels, predicted, average=None, labels=range(7))
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["minority_f1"] == pytest.approx(np.sort(per_class)[:3].mean())
    assert found["trio_f1"] == pytest.approx(per_class[[1, 2, 4]].mean())
    assert found["nll"] == pytest.approx(log_loss(labels, p), rel=1e-12)
    assert found["brier"] == pytest.approx(
        brier_score_loss(labels, p, scale_by_half=False), rel=1e-12
    )
    np.testing.assert_array_equal(
        all_metrics(logits, labels, 15)["confusion"], confusion_matrix(labels, predicted)
    )


@pytest.mark.parametrize("bins", [10, 15, 20])
def test_ece_equals_torchmetrics(case, bins):
    logits, labels = case
    reference = multiclass_calibration_error(
        torch.tensor(softmax(logits)), torch.tensor(labels), 7, n_bins=bins, norm="l1"
    )
    assert measure(outcome_of(logits, labels, bins))["ece"] == pytest.approx(
        float(reference), abs=1e-6
    )


@pytest.mark.parametrize("bins", [10, 15, 20])
def test_classwise_ece_is_the_mean_of_torchmetrics_binary_errors(case, bins):
    logits, labels = case
    p = torch.tensor(softmax(logits).T.copy())
    each = [
        float(
            binary_calibration_error(p[c], torch.tensor(labels == c).int(), n_bins=bins, norm="l1")
        )
        for c in range(7)
    ]
    assert measure(outcome_of(logits, labels, bins))["classwise_ece"] == pytest.approx(
        np.mean(each), abs=1e-6
    )


def test_classwise_ece_sees_what_top_label_ece_cannot():
    """Every prediction is right half the time at confidence one half, but the other half of each
    row is put on the wrong class.
    """
    logits = np.log(np.tile([0.5, 0.5 - 5e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6], (200, 1)))
    labels = np.repeat([0, 2], 100)
    found = measure(outcome_of(logits, labels, 15))
    assert found["ece"] == pytest.approx(0, abs=1e-6)
    assert found["classwise_ece"] == pytest.approx((0.5 + 0.5) / 7, abs=1e-5)


def test_equal_mass_ece_of_the_top_label_is_the_mean_gap_of_equal_bins(case):
    logits, labels = case[0][:1995], case[1][:1995]  # 15 bins of 133
    p = softmax(logits)
    order = np.argsort(p.max(1))
    correct = (p.argmax(1) == labels)[order].reshape(15, -1)
    reference = np.abs(correct.mean(1) - p.max(1)[order].reshape(15, -1).mean(1)).mean()
    assert measure(outcome_of(logits, labels, 15))["ece_equal_mass"] == pytest.approx(
        reference, abs=1e-12
    )


def test_class_without_rows_counts_as_zero_in_macro_f1_and_is_left_out_of_minority_f1(case):
    logits, labels = case
    kept = labels != 1
    logits, labels = logits[kept].copy(), labels[kept]
    logits[:, 1] = -50
    found = all_metrics(logits, labels, 15)
    reference = f1_score(
        labels, logits.argmax(1), labels=range(7), average="macro", zero_division=0
    )
    assert found["macro_f1"] == pytest.approx(reference, abs=1e-6)
    assert found["per_class_f1"]["Disgust"] is None
    present = [value for value in found["per_class_f1"].values() if value is not None]
    assert found["minority_f1"] == pytest.approx(np.sort(present)[:3].mean(), abs=1e-5)


def test_a_perfect_predictor_on_a_set_without_a_class_is_seen_as_perfect():
    labels = np.array([0, 2, 3, 4, 5] * 4)  # no Disgust, no Surprise
    found = measure(outcome_of(50.0 * np.eye(7)[labels], labels, 15))
    assert found["macro_f1"] == pytest.approx(5 / 7)
    assert found["macro_f1_present"] == found["minority_f1"] == found["accuracy"] == 1
    assert found["trio_f1"] == 1, "of Fear and Sad"
    labels = np.array([0, 3, 5, 6] * 3)
    assert measure(outcome_of(50.0 * np.eye(7)[labels], labels, 15))["trio_f1"] == 0, (
        "none has rows"
    )


def test_present_class_macro_f1_equals_scikit_learn_on_the_classes_that_have_rows(case):
    logits, labels = case
    kept = ~np.isin(labels, [1, 5])
    logits, labels = logits[kept], labels[kept]
    present = sorted(set(labels.tolist()))
    reference = f1_score(labels, logits.argmax(1), labels=present, average="macro")
    found = measure(outcome_of(logits, labels, 15))
    assert found["macro_f1_present"] == pytest.approx(reference, rel=1e-12)
    assert found["macro_f1"] < found["macro_f1_present"]


def test_class_predicted_but_absent_has_f1_zero():
    assert f1_scores(np.array([[3, 1], [0, 0]])).tolist() == [6 / 7, 0]


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(2, 40), st.integers(1, 20))
def test_metrics_ignore_row_order_even_among_equal_confidences(random, count, bins):
    rng = np.random.default_rng(random.randrange(2**32))
    labels = rng.integers(0, 7, count)
    logits = rng.integers(-1, 2, (count, 7)).astype(float)  # many ties
    order = rng.permutation(count)
    a, b = (
        measure(outcome_of(logits, labels, bins)),
        measure(outcome_of(logits[order], labels[order], bins)),
    )
    assert a == pytest.approx(b, abs=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_weights_mean_repeated_rows(seed, ties):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, 60)
    logits = rng.integers(-2, 3, (60, 7)).astype(float) if ties else rng.normal(size=(60, 7))
    weights = rng.integers(0, 4, 60)
    repeated = np.repeat(np.arange(60), weights)
    if len(repeated):
        expected = measure(outcome_of(logits[repeated], labels[repeated], 15))
        assert measure(outcome_of(logits, labels, 15), weights) == pytest.approx(
            expected, abs=1e-12
        )


def test_perfect_and_sure_is_perfect():
    labels = np.arange(7)
    found = measure(outcome_of(100.0 * np.eye(7), labels, 15))
    assert found == pytest.approx(
        dict(zip(METRICS, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0], strict=True)), abs=1e-12
    )


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((0, 7)), np.zeros(0, int)),
        (np.zeros((3, 6)), np.zeros(3, int)),
        (np.zeros((3, 7)), np.array([0, 1, 7])),
        (np.zeros((3, 7)), np.array([0, 1, -1])),
        (np.full((3, 7), np.nan), np.array([0, 1, 2])),
        (np.zeros((3, 7)), np.array([0, 1])),
    ],
    ids=["no rows", "six classes", "label 7", "unlabelled", "nan", "fewer labels"],
)
def test_what_cannot_be_measured_is_refused(logits, labels):
    with pytest.raises(ArtifactError):
        outcome_of(logits, labels, 15)
