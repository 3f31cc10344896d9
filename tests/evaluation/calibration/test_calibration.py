import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.calibration.calibration import (
    calibration_floor,
    debiased,
    fit_temperature,
    interior_temperature,
    reliability_table,
    settled_temperature,
)
from fer_core.evaluation.metrics.bootstrap import confidence_intervals
from fer_core.evaluation.metrics.metrics import measure, outcome_of, softmax
from tests.arrange_logits import noisy_logits


class Linear:
    """A scikit-learn classifier whose decision function is its input."""

    classes_ = np.arange(7)
    _estimator_type = "classifier"

    def fit(self, x, y):
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return x.argmax(1)

    def __sklearn_tags__(self):
        return LogisticRegression().__sklearn_tags__()

    def __sklearn_is_fitted__(self):
        return True


def labels_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 7, count)


@settings(max_examples=15, deadline=None)
@given(st.floats(-3, 3))
def test_known_temperature_is_recovered(log_t):
    labels = labels_of(3000)
    base = fit_temperature(noisy_logits(labels, 1), labels).temperature
    found = fit_temperature(noisy_logits(labels, 1) * np.exp(log_t), labels)
    assert found.temperature == pytest.approx(base * np.exp(log_t), rel=1e-5)
    assert not found.at_bound


def test_temperature_of_calibrated_logits_is_one():
    labels = labels_of(50_000)
    assert fit_temperature(noisy_logits(labels, 1), labels).temperature == pytest.approx(
        1, abs=0.02
    )


def test_temperature_equals_scikit_learns():
    labels = labels_of(1500)
    logits = noisy_logits(labels, 2, scale=4)
    reference = CalibratedClassifierCV(FrozenEstimator(Linear()), method="temperature").fit(
        logits, labels
    )
    ours = fit_temperature(logits, labels)
    np.testing.assert_allclose(
        softmax(logits, ours.temperature), reference.predict_proba(logits), atol=2e-5
    )
    assert ours.nll_after == pytest.approx(
        measure(outcome_of(logits, labels, 15, ours.temperature))["nll"]
    )
    assert ours.nll_before == pytest.approx(measure(outcome_of(logits, labels, 15))["nll"])


def test_temperature_of_two_classes_is_a_logistic_regression():
    rng = np.random.default_rng(3)
    logits = np.full((1200, 7), -1e4)
    logits[:, :2] = rng.normal(size=(1200, 2))
    difference = logits[:, 1] - logits[:, 0]
    labels = (rng.random(1200) < 1 / (1 + np.exp(-2 * difference))).astype(int)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(
        difference[:, None], labels
    )
    assert fit_temperature(logits, labels).temperature == pytest.approx(
        1 / reference.coef_[0, 0], abs=1e-4
    )


def test_gradient_at_the_optimum_is_zero():
    labels = labels_of(800)
    logits = noisy_logits(labels, 3, scale=0.4)
    fit = fit_temperature(logits, labels)
    p = softmax(logits, fit.temperature)
    gradient = ((p * logits).sum(1) - logits[np.arange(800), labels]).mean()
    assert abs(gradient) < 1e-4


@pytest.mark.parametrize(
    ("logits", "says"),
    [(5 * np.eye(7), "0 of 7"), (-5 * np.eye(7), "7 of 7")],
    ids=["all right", "all wrong"],
)
def test_optimum_at_a_bound_is_flagged_and_refused(logits, says):
    assert fit_temperature(logits, np.arange(7)).at_bound
    with pytest.raises(ArtifactError, match=says):
        interior_temperature(logits, np.arange(7), "rn18")


GAPS = ["ece", "ece_equal_mass", "classwise_ece"]


@pytest.mark.parametrize("count", [400, 4000])
def test_floor_is_what_truly_calibrated_models_show(count):
    logits = 2 * np.random.default_rng(0).normal(size=(count, 7))
    floor = calibration_floor(logits, 15, seed=1)
    rng, p, seen = np.random.default_rng(9), softmax(logits), []
    for _ in range(100):
        labels = (rng.random((count, 1)) > p.cumsum(1)[:, :-1]).sum(1)
        seen.append(list(measure(outcome_of(logits, labels, 15), names=GAPS).values()))
    for name, values in zip(GAPS, np.array(seen).T, strict=True):
        assert floor[name]["mean"] == pytest.approx(values.mean(), rel=0.06)
        assert floor[name]["p95"] == pytest.approx(np.quantile(values, 0.95), rel=0.12)


def test_floor_falls_with_the_rows_and_follows_the_seed():
    logits = 2 * np.random.default_rng(0).normal(size=(6400, 7))
    few, many = calibration_floor(logits[:400], 15, 1), calibration_floor(logits, 15, 1)
    for name in GAPS:
        assert many[name]["mean"] == pytest.approx(
            few[name]["mean"] / 4, rel=0.2
        )  # by the square root of 16
    assert calibration_floor(logits, 15, 1) == many != calibration_floor(logits, 15, 2)


def test_a_model_that_is_sure_and_right_has_no_floor():
    assert calibration_floor(100 * np.eye(7), 15, 1) == {
        name: {"mean": 0, "p95": 0} for name in GAPS
    }


def test_reliability_points_equal_scikit_learns_and_give_the_ece():
    labels = labels_of(3000)
    logits = noisy_logits(labels, 1, scale=2)
    table = reliability_table(logits, labels, 15)
    assert table["count"].sum() == 3000
    assert len(table) == 15
    p = softmax(logits)
    accuracy, confidence = calibration_curve(p.argmax(1) == labels, p.max(1), n_bins=15)
    filled = table[table["count"] > 0]
    np.testing.assert_allclose(filled["accuracy"], accuracy, atol=1e-6)
    np.testing.assert_allclose(filled["confidence"], confidence, atol=1e-6)
    ece = (filled["count"] * (filled["accuracy"] - filled["confidence"]).abs()).sum() / 3000
    assert measure(outcome_of(logits, labels, 15))["ece"] == pytest.approx(ece, abs=1e-5)


@pytest.mark.parametrize("factor", [1e-4, 1.0, 2000.0])
def test_the_temperature_of_logits_of_another_size_is_as_many_times_greater(factor):
    labels = np.random.default_rng(3).integers(0, 7, 400)
    logits = noisy_logits(labels, 1)
    found = fit_temperature(factor * logits, labels)
    assert not found.at_bound
    assert found.temperature == pytest.approx(factor * fit_temperature(logits, labels).temperature)
    assert found.nll_after == pytest.approx(fit_temperature(logits, labels).nll_after)


@pytest.mark.parametrize("logits", [5 * np.eye(7), np.zeros((7, 7)), -np.eye(7)])
def test_rows_that_determine_no_temperature_leave_it_at_one_and_say_why(logits, caplog):
    fit, why = settled_temperature(logits, np.arange(7), "kd-1")
    assert fit.temperature == 1 and fit.nll_after == fit.nll_before
    assert why is not None and "of 7 calibration rows" in why
    assert "kd-1" in caplog.text and "not determined" in caplog.text


def test_debiased_ece_of_a_calibrated_model_is_about_zero_and_its_interval_covers_it():
    """ECE itself says so in no case; the interval holds 0 about as often as it promises."""
    rng, values, hits = np.random.default_rng(0), [], 0
    for trial in range(60):
        labels = rng.integers(0, 7, 400)
        logits = noisy_logits(labels, trial, skill=1.2)  # calibrated at scale 1
        ece = confidence_intervals(outcome_of(logits, labels, 15), 200, trial, ["ece"])["ece"]
        floor = calibration_floor(logits, 15, trial)["ece"]["mean"]
        found = debiased(ece.to_dict(), floor)
        values.append(found["value"])
        hits += found["low"] <= 0 <= found["high"]
        assert ece.value > 0.02
    assert abs(np.mean(values)) < 0.006 and hits >= 54


def test_debiased_ece_of_an_overconfident_model_stays_large():
    labels = np.random.default_rng(0).integers(0, 7, 2000)
    logits = noisy_logits(labels, 1, skill=1.0, scale=3.0)
    ece = confidence_intervals(outcome_of(logits, labels, 15), 200, 1, ["ece"])["ece"].to_dict()
    found = debiased(ece, calibration_floor(logits, 15, 1)["ece"]["mean"])
    assert 0.1 < found["low"] < found["value"] < ece["value"]
