import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize_scalar
from scipy.special import log_softmax, logsumexp

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.ensemble.weight_choice import objective_of, smooth_weights
from tests.arrange_logits import noisy_logits

LABELS = np.random.default_rng(0).integers(0, 7, 700)
TEACHERS = [noisy_logits(LABELS, seed, skill) for seed, skill in [(1, 1.5), (2, 1.2), (3, 0.9)]]
UNIFORM = (1 / 3, 1 / 3, 1 / 3)

spaces = pytest.mark.parametrize("space", ["prob", "logit"])


def nll(logits: list[np.ndarray], weights: tuple[float, ...], space: str) -> float:
    """Least NLL over the fused temperature, by scipy alone."""
    used = [(w, z) for w, z in zip(weights, logits, strict=True) if w > 0]
    pooled = logsumexp([np.log(w) + log_softmax(z, axis=1) for w, z in used], axis=0)
    fused = pooled if space == "prob" else sum(w * z for w, z in used)

    def at(log_t: float) -> float:
        return -log_softmax(fused / np.exp(log_t), axis=1)[np.arange(len(LABELS)), LABELS].mean()

    return minimize_scalar(at, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).fun


@spaces
def test_optimum_is_that_of_a_fine_grid_tried_by_brute_force(space):
    fine = [
        (a / 40, b / 40, (40 - a - b) / 40)
        for a, b in itertools.product(range(41), repeat=2)
        if a + b <= 40
    ]
    values = {weights: nll(TEACHERS, weights, space) for weights in fine}
    best = min(values, key=values.get)
    found = smooth_weights(TEACHERS, LABELS, space, [UNIFORM])
    assert found.nll <= values[best] + 1e-9
    assert found.nll == pytest.approx(
        values[best], abs=1e-3
    )  # the grid's nearest point cannot be much worse
    np.testing.assert_allclose(found.weights, best, atol=0.04)
    assert found.nll == pytest.approx(nll(TEACHERS, tuple(found.weights), space), abs=1e-7)


@spaces
def test_every_start_ends_at_the_same_nll(space):
    values = [
        smooth_weights(TEACHERS, LABELS, space, [start]).nll
        for start in (UNIFORM, (1, 0, 0), (0, 0, 1), (0.1, 0.8, 0.1))
    ]
    assert max(values) - min(values) < 1e-6


@spaces
def test_a_harmful_teacher_leaves_altogether(space):
    against = [*TEACHERS[:2], -TEACHERS[2]]
    assert smooth_weights(against, LABELS, space, [UNIFORM]).weights[2] == pytest.approx(
        0, abs=1e-9
    )


@spaces
@settings(max_examples=15, deadline=None)
@given(shares=st.lists(st.floats(0.05, 3), min_size=3, max_size=3), log_beta=st.floats(-1, 1))
def test_gradient_is_the_slope(space, shares, log_beta):
    objective = objective_of(TEACHERS, LABELS, space)
    at = np.array([*shares, log_beta] if space == "prob" else shares)
    np.testing.assert_allclose(
        objective(at)[1], approx_fprime(at, lambda x: objective(x)[0], 1e-7), atol=2e-5
    )


@spaces
def test_blocks_do_not_show(space, monkeypatch):
    whole = smooth_weights(TEACHERS, LABELS, space, [UNIFORM])
    monkeypatch.setattr("fer_core.evaluation.ensemble.weight_choice._BLOCK", 97)
    parts = smooth_weights(TEACHERS, LABELS, space, [UNIFORM])
    np.testing.assert_allclose(parts.weights, whole.weights, atol=1e-4)
    assert parts.nll == pytest.approx(whole.nll, abs=1e-8)


def test_temperature_of_one_teacher_is_found():
    found = smooth_weights([5 * TEACHERS[0]], LABELS, "logit", [(1,)])
    assert found.weights.tolist() == [1]
    assert found.temperature == pytest.approx(5, rel=0.1)


def test_a_start_is_needed_and_must_be_a_weighting():
    with pytest.raises(ArtifactError, match="to start from"):
        smooth_weights(TEACHERS, LABELS, "prob", [])
    with pytest.raises(ArtifactError, match="no fusion weights"):
        smooth_weights(TEACHERS, LABELS, "prob", [(-1, 1, 1)])
    with pytest.raises(ArtifactError, match="finite NLL"):
        smooth_weights([np.full((700, 7), np.nan)], LABELS, "logit", [(1,)])
