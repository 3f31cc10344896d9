import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from fer_core.evaluation.calibration.calibration import Undetermined, fit_temperature
from fer_core.evaluation.calibration.calibrators import (
    BiasCorrected,
    PerSource,
    Temperature,
    Vector,
)
from fer_core.evaluation.calibration.fits import ENOUGH_ROWS, affine_nll, fit_calibrator
from fer_core.evaluation.metrics.metrics import log_softmax, measure, outcome_of, softmax
from tests.arrange_logits import noisy_logits

SHARES = [0.05, 0.04, 0.1, 0.4, 0.2, 0.13, 0.08]
SCALE = np.array([0.5, 0.8, 0.6, 0.4, 0.7, 0.5, 0.6])
BIAS = np.array([0.6, -0.4, 0.1, -0.5, 0.3, 0.2, -0.3])
NOWHERE = ["rafdb"] * 100_000


def labels_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(7, count, p=SHARES)


def drawn(p: np.ndarray, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((len(p), 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)


def nll(logits: np.ndarray, labels: np.ndarray) -> float:
    return measure(outcome_of(logits, labels, 15), names=["nll"])["nll"]


def lbfgs(
    logits: np.ndarray, labels: np.ndarray, shared_scale: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Scale [7], bias [7] with sum 0, and NLL, by torch's optimiser and autograd."""
    z, y = torch.tensor(logits, dtype=torch.float64), torch.tensor(labels)
    scale = torch.ones(1 if shared_scale else 7, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [scale, bias],
        max_iter=2000,
        tolerance_grad=1e-11,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(z * scale + bias, y)
        loss.backward()
        return loss

    optimiser.step(closure)
    return (
        scale.detach().numpy() * np.ones(7),
        (bias - bias.mean()).detach().numpy(),
        float(closure().detach()),
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=14, max_size=14))
def test_gradient_and_hessian_equal_finite_differences(parameters):
    labels = labels_of(60)
    logits, at = noisy_logits(labels, 1), np.array(parameters)
    _, gradient, hessian = affine_nll(logits, labels, at)
    np.testing.assert_allclose(
        gradient, approx_fprime(at, lambda x: affine_nll(logits, labels, x)[0], 1e-7), atol=1e-5
    )
    np.testing.assert_allclose(
        hessian, approx_fprime(at, lambda x: affine_nll(logits, labels, x)[1], 1e-7), atol=1e-5
    )
    assert affine_nll(logits, labels, at)[0] == pytest.approx(
        -log_softmax(logits * at[:7] + at[7:])[np.arange(60), labels].mean()
    )


@pytest.mark.parametrize("scale", [0.2, 1, 30], ids=lambda scale: f"logits times {scale}")
def test_biases_and_scales_equal_those_of_torch(scale):
    labels = labels_of(2000)
    logits = scale * (noisy_logits(labels, 1) + BIAS) / SCALE
    ours = fit_calibrator("bias_corrected", logits, labels, NOWHERE[:2000])
    assert isinstance(ours, BiasCorrected)
    slopes, bias, least = lbfgs(logits / scale, labels, shared_scale=True)
    assert ours.temperature == pytest.approx(scale / slopes[0], rel=1e-3)
    np.testing.assert_allclose(ours.bias, bias, atol=1e-3)
    assert nll(ours.apply(logits), labels) == pytest.approx(least, abs=1e-9)

    vector = fit_calibrator("vector", logits, labels, NOWHERE[:2000])
    assert isinstance(vector, Vector)
    slopes, bias, least = lbfgs(logits / scale, labels, shared_scale=False)
    np.testing.assert_allclose(np.array(vector.scale) * scale, slopes, rtol=1e-3)
    np.testing.assert_allclose(vector.bias, bias, atol=1e-3)
    assert nll(vector.apply(logits), labels) == pytest.approx(least, abs=1e-9)


def test_gradient_at_each_optimum_is_zero():
    labels = labels_of(900)
    logits = noisy_logits(labels, 2, scale=4)
    corrected, vector = (
        fit_calibrator(method, logits, labels, NOWHERE[:900])
        for method in ("bias_corrected", "vector")
    )
    assert isinstance(corrected, BiasCorrected) and isinstance(vector, Vector)
    at_vector = affine_nll(logits, labels, np.r_[vector.scale, vector.bias])[1]
    assert np.abs(at_vector).max() < 1e-7
    at_corrected = affine_nll(
        logits, labels, np.r_[np.full(7, 1 / corrected.temperature), corrected.bias]
    )[1]
    assert abs(at_corrected[:7].sum()) < 1e-7 and np.abs(at_corrected[7:]).max() < 1e-7
    assert np.abs(at_corrected[:7]).max() > 1e-4  # a scale for each class would do better
    assert sum(vector.bias) == pytest.approx(0, abs=1e-9) and sum(corrected.bias) == pytest.approx(
        0, abs=1e-9
    )


def test_the_parameters_that_drew_the_labels_are_recovered():
    logits = 4 * np.random.default_rng(1).normal(size=(60_000, 7))
    vector = fit_calibrator(
        "vector", logits, drawn(softmax(SCALE * logits + BIAS), 2), NOWHERE[:60_000]
    )
    assert isinstance(vector, Vector)
    np.testing.assert_allclose(vector.scale, SCALE, rtol=0.05)
    np.testing.assert_allclose(vector.bias, BIAS - BIAS.mean(), atol=0.06)
    corrected = fit_calibrator(
        "bias_corrected", logits, drawn(softmax(logits / 3 + BIAS), 3), NOWHERE[:60_000]
    )
    assert isinstance(corrected, BiasCorrected)
    assert corrected.temperature == pytest.approx(3, rel=0.02)
    np.testing.assert_allclose(corrected.bias, BIAS - BIAS.mean(), atol=0.06)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-2, 2))
def test_a_method_with_more_freedom_never_fits_worse(seed, log_scale):
    labels = labels_of(400, seed)
    logits = noisy_logits(labels, seed + 1, scale=float(np.exp(log_scale)))
    found = [
        nll(fit_calibrator(method, logits, labels, NOWHERE[:400]).apply(logits), labels)
        for method in ORDER
    ]
    assert found[2] <= found[1] + 1e-9 and found[1] <= found[0] + 1e-9


ORDER = ("temperature", "bias_corrected", "vector")


def without(labels: np.ndarray, logits: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    return logits[labels != label], labels[labels != label]


def test_a_class_without_rows_has_no_best_bias():
    labels = labels_of(500)
    logits, labels = without(labels, noisy_logits(labels, 1), 1)
    assert fit_calibrator("temperature", logits, labels, NOWHERE[: len(labels)]) == Temperature(
        fit_temperature(logits, labels).temperature
    )
    for method in ("bias_corrected", "vector"):
        with pytest.raises(Undetermined, match="of Disgust only 0"):
            fit_calibrator(method, logits, labels, NOWHERE[: len(labels)])


def test_one_row_that_stands_out_has_no_best_scale():
    labels = labels_of(500)
    logits, labels = without(labels, noisy_logits(labels, 1), 1)
    labels = np.r_[labels, 1]
    logits = np.vstack([logits, np.zeros(7)])
    logits[-1, 1] = logits[:, 1].max() + 0.5
    assert isinstance(
        fit_calibrator("bias_corrected", logits, labels, NOWHERE[: len(labels)]), BiasCorrected
    )
    with pytest.raises(Undetermined, match="of Disgust only 1"):
        fit_calibrator("vector", logits, labels, NOWHERE[: len(labels)])


def test_a_class_whose_logit_says_the_opposite_has_no_positive_scale():
    logits = np.random.default_rng(1).normal(size=(3000, 7))
    turned = logits.copy()
    turned[:, 3] *= -1
    with pytest.raises(Undetermined, match="no finite positive"):
        fit_calibrator("vector", turned, drawn(softmax(3 * logits), 2), NOWHERE[:3000])


def test_rows_that_no_temperature_fits_are_refused_by_every_method():
    for method in (*ORDER, "per_source"):
        with pytest.raises(Undetermined, match="0 of 7"):
            fit_calibrator(method, 5 * np.eye(7), np.arange(7), NOWHERE[:7])


def sources_of(*counts: int) -> np.ndarray:
    return np.repeat(["fer2013", "rafdb", "expw"][: len(counts)], counts)


def test_each_source_with_enough_rows_has_the_temperature_of_its_rows():
    sources = sources_of(ENOUGH_ROWS, 300, ENOUGH_ROWS - 1)
    labels = labels_of(len(sources))
    logits = (
        noisy_logits(labels, 1)
        * np.repeat([1.0, 6.0, 2.0], [ENOUGH_ROWS, 300, ENOUGH_ROWS - 1])[:, None]
    )
    found = fit_calibrator("per_source", logits, labels, sources)
    assert isinstance(found, PerSource)
    assert found.temperature == fit_temperature(logits, labels).temperature
    assert found.temperatures == {
        name: fit_temperature(logits[sources == name], labels[sources == name]).temperature
        for name in ("fer2013", "rafdb")
    }
    calibrated = found.apply(logits, sources.tolist())
    np.testing.assert_allclose(calibrated[-1], logits[-1] / found.temperature)
    assert nll(calibrated, labels) < nll(logits / found.temperature, labels)


def test_a_source_without_an_optimum_keeps_the_common_temperature():
    sources = sources_of(300, 200)
    labels = labels_of(500)
    logits = noisy_logits(labels, 1)
    logits[300:] = 3 * np.eye(7)[labels[300:]]  # all right
    found = fit_calibrator("per_source", logits, labels, sources)
    assert isinstance(found, PerSource) and list(found.temperatures) == ["fer2013"]


@pytest.mark.parametrize(
    "counts", [(500,), (60, 40)], ids=["one source", "no source with enough rows"]
)
def test_sources_that_cannot_be_told_apart_are_refused(counts):
    labels = labels_of(sum(counts))
    with pytest.raises(Undetermined, match="several sources") as refused:
        fit_calibrator("per_source", noisy_logits(labels, 1), labels, sources_of(*counts))
    assert [f"{count} rows of " in str(refused.value.found) for count in counts] == [True] * len(
        counts
    )


def test_a_temperature_of_just_enough_rows_has_a_standard_error_of_a_tenth():
    found = []
    for seed in range(60):
        labels = labels_of(ENOUGH_ROWS, seed)
        found.append(np.log(fit_temperature(noisy_logits(labels, 1000 + seed), labels).temperature))
    assert 0.05 < np.std(found) < 0.15
