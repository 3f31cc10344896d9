import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import f1_score, log_loss

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.calibration.calibration import fit_temperature
from fer_core.evaluation.ensemble.fusion import (
    EnsembleOptions,
    best_candidate,
    fuse,
    normalised,
    search_weights,
    simplex,
)
from fer_core.evaluation.metrics.metrics import measure, outcome_of, softmax
from tests.arrange_logits import noisy_logits

LABELS = np.random.default_rng(0).integers(0, 7, 1000)
TEACHERS = [noisy_logits(LABELS, seed, skill) for seed, skill in [(1, 1.5), (2, 1.2), (3, 0.9)]]

spaces = st.sampled_from(["prob", "logit"])
weights = st.lists(st.floats(0.01, 10), min_size=3, max_size=3)


@given(spaces, st.integers(0, 2))
def test_one_hot_weights_give_that_teacher(space, k):
    fused = fuse(TEACHERS, np.eye(3)[k], space)
    np.testing.assert_allclose(softmax(fused), softmax(TEACHERS[k]), atol=1e-12)


@given(spaces, weights)
def test_identical_teachers_fuse_to_that_teacher(space, w):
    np.testing.assert_allclose(
        softmax(fuse([TEACHERS[0]] * 3, w, space)), softmax(TEACHERS[0]), atol=1e-12
    )


@given(weights)
def test_prob_fusion_is_the_weighted_mean_of_probabilities(w):
    expected = np.average([softmax(z) for z in TEACHERS], axis=0, weights=w)
    np.testing.assert_allclose(np.exp(fuse(TEACHERS, w, "prob")), expected, atol=1e-12)


@given(weights)
def test_logit_fusion_is_the_weighted_mean_of_logits(w):
    np.testing.assert_allclose(
        fuse(TEACHERS, w, "logit"), np.average(TEACHERS, axis=0, weights=w), atol=1e-12
    )


@settings(max_examples=20)
@given(spaces, weights, st.floats(0.1, 10), st.permutations([0, 1, 2]))
def test_only_ratios_count_and_the_order_of_teachers_does_not(space, w, factor, order):
    expected = fuse(TEACHERS, w, space)
    np.testing.assert_allclose(fuse(TEACHERS, [factor * x for x in w], space), expected, atol=1e-9)
    np.testing.assert_allclose(
        fuse([TEACHERS[i] for i in order], [w[i] for i in order], space), expected, atol=1e-9
    )


def test_views_fuse_like_rows():
    views = [np.stack([z[:10], z[10:20]], axis=1) for z in TEACHERS]
    np.testing.assert_array_equal(
        fuse(views, [1, 2, 3], "prob")[:, 1], fuse([z[10:20] for z in TEACHERS], [1, 2, 3], "prob")
    )


def test_sure_teachers_do_not_overflow_in_prob_space():
    sure = [900 * np.eye(7), -900 * np.eye(7)]
    assert np.isfinite(fuse(sure, [0.5, 0.5], "prob")).all()


@pytest.mark.parametrize("bad", [[0, 0, 0], [1, -1, 1], [np.nan, 1, 1], [], [np.inf, 1, 1]])
def test_weights_that_are_none_are_refused(bad):
    with pytest.raises(ArtifactError, match="fusion weights"):
        normalised(bad)


def test_a_weight_for_each_teacher_is_needed():
    with pytest.raises(ArtifactError, match="one weight for each"):
        fuse(TEACHERS, [1, 1], "prob")


@pytest.mark.parametrize(
    ("count", "step", "size"), [(1, 0.1, 1), (2, 0.1, 11), (3, 0.25, 15), (5, 0.1, 1001), (3, 1, 3)]
)
def test_grid_holds_every_weighting_once(count, step, size):
    grid = simplex(count, step)
    assert grid.shape == (size, count)
    assert len({tuple(row) for row in grid}) == size
    np.testing.assert_allclose(grid.sum(1), 1)
    np.testing.assert_allclose(grid / step, np.round(grid / step), atol=1e-9)
    assert grid[0].tolist() == [1] + [0] * (count - 1)


@pytest.mark.parametrize("space", ["prob", "logit"])
def test_search_measures_what_the_exact_formulas_give(space):
    grid = simplex(3, 0.5)
    table = search_weights([3 * z for z in TEACHERS], LABELS, grid, [space], bins=15)
    for w, row in zip(grid, table.itertuples(), strict=True):
        fused = fuse([3 * z for z in TEACHERS], w, space)
        fit = fit_temperature(fused, LABELS)
        exact = measure(outcome_of(fused, LABELS, 15, fit.temperature))
        assert row.weights == tuple(w)
        assert row.temperature == pytest.approx(fit.temperature, rel=2e-3)
        assert row.nll == pytest.approx(log_loss(LABELS, softmax(fused, fit.temperature)), abs=2e-5)
        assert row.macro_f1 == pytest.approx(
            f1_score(LABELS, fused.argmax(1), average="macro"), abs=1e-6
        )
        assert row.accuracy == pytest.approx(exact["accuracy"], abs=1e-6)
        assert row.ece == pytest.approx(exact["ece"], abs=2e-3)


def test_search_finds_the_fused_temperature_of_logits_far_from_calibrated():
    for factor in (30, 0.05):
        z = factor * TEACHERS[0]
        row = search_weights([z], LABELS, np.ones((1, 1)), ["logit"], 15).iloc[0]
        assert row["temperature"] == pytest.approx(fit_temperature(z, LABELS).temperature, rel=5e-3)


def test_a_useless_teacher_gets_no_weight():
    noise = np.random.default_rng(5).normal(size=(1000, 7))
    table = search_weights([TEACHERS[0], noise], LABELS, simplex(2, 0.1), ["logit"], 15)
    best = table.iloc[best_candidate(table, "nll")]
    assert best["weights"][1] <= 0.2
    assert best["nll"] <= table.iloc[0]["nll"]


def test_objective_decides_and_ties_go_to_lower_nll_then_to_the_first():
    table = pd.DataFrame(
        {"nll": [0.5, 0.4, 0.6, 0.45, 0.45], "macro_f1": [0.7, 0.6, 0.8, 0.8, 0.8]}
    )
    assert best_candidate(table, "nll") == 1
    assert best_candidate(table, "macro_f1") == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": 0.3},
        {"step": 0},
        {"spaces": []},
        {"spaces": ["both"]},
        {"objective": "accuracy"},
        {"weights": [1]},
        {"search": "random"},
        {"search": "smooth", "objective": "macro_f1"},
        {"kinds": ["per_class"]},
        {"kinds": ["global", "global"]},
        {"fixed_temperatures": [0]},
        {"fixed_temperatures": [1.2, 1.2]},
        {"folds": 1},
        {"weightings": {"half": {"space": "prob", "weights": {"rn18": 0.0}}}},
        {"weightings": {"half": {"space": "prob", "weights": {"rn18": -1.0}}}},
        {"weightings": {"half": {"space": "prob", "weights": {}}}},
        {"weightings": {"uniform": {"space": "prob", "weights": {"rn18": 1.0}}}},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    EnsembleOptions.model_validate({"spaces": ["prob"], "step": 0.1, "objective": "nll"})
    with pytest.raises(ValidationError):
        EnsembleOptions.model_validate(
            {"spaces": ["prob"], "step": 0.1, "objective": "nll", **wrong}
        )
