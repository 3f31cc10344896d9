import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import entropy

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import Ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.kinds import RowOrigins
from fer_core.evaluation.ensemble.targets import fused_targets, target_metrics, teacher_targets
from fer_core.evaluation.ensemble.teaching import TargetOptions, Teaching
from fer_core.evaluation.metrics.metrics import all_metrics, softmax
from fer_core.logits.store import LogitsSet
from tests.arrange_logits import DEV, K, logits_set, rows_of

ROWS = rows_of(DEV)
TRAIN = ROWS.split("train")
SOURCES = np.where(np.arange(len(ROWS)) % 2, "one", "other").tolist()


def teachers() -> dict[str, LogitsSet]:
    return {
        tag: logits_set(ROWS, ("train", "val", "calib"), seed, model=tag, views=True, scale=6)
        for seed, tag in enumerate(["rn18", "b3"])
    }


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, LogitsSet], Ensemble]:
    dev = teachers()
    ensemble, _ = choose_ensemble(
        {tag: logits.only("calib") for tag, logits in dev.items()},
        EnsembleOptions(spaces=["prob"], step=0.5, objective="nll"),
        15,
    )
    return dev, ensemble


def test_view_zero_is_the_evaluation_view_and_the_others_follow(made, monkeypatch):
    dev, ensemble = made
    monkeypatch.setattr(
        "fer_core.evaluation.ensemble.targets._BLOCK", 7
    )  # several blocks, the last one short
    targets = fused_targets(dev, ensemble)
    assert targets.shape == (60, K + 1, 7)
    assert targets.dtype == np.float16
    train = ROWS.split("train")
    expected = ensemble.fused({tag: logits.eval[train] for tag, logits in dev.items()})
    np.testing.assert_array_equal(targets[:, 0], expected.astype(np.float16))
    second = ensemble.fused({tag: logits.views[:, 1] for tag, logits in dev.items()})
    np.testing.assert_array_equal(targets[:, 2], second.astype(np.float16))


def test_each_teachers_own_targets_are_its_calibrated_logits_and_fuse_to_the_ensembles(made):
    dev, ensemble = made
    found = teacher_targets(dev, ensemble)
    assert tuple(found) == ensemble.teachers
    b3 = found["b3"]
    assert (b3.shape, b3.dtype) == ((60, K + 1, 7), np.float16)
    np.testing.assert_allclose(
        b3[5, 0],
        dev["b3"].eval[ROWS.split("train")[5]].astype(float) / ensemble.temperatures["b3"],
        rtol=1e-3,
    )
    np.testing.assert_allclose(
        b3[5, 2], dev["b3"].views[5, 1].astype(float) / ensemble.temperatures["b3"], rtol=1e-3
    )
    fused = np.log(
        sum(
            weight * softmax(found[tag].astype(float))
            for tag, weight in ensemble.chosen.weights.items()
        )
    )
    np.testing.assert_allclose(
        softmax(fused / ensemble.chosen.temperature),
        softmax(fused_targets(dev, ensemble).astype(float)),
        atol=5e-3,
    )


def test_metrics_are_of_each_split_and_sharpness_falls_with_temperature(made):
    dev, ensemble = made
    targets = fused_targets(dev, ensemble)
    found = target_metrics(dev, ensemble, targets, 15)
    fused = ensemble.fused({tag: logits.eval for tag, logits in dev.items()})
    val = ROWS.split("val")
    every = all_metrics(fused[val], ROWS.labels[val], 15)
    assert found["splits"]["val"].items() <= every.items()
    assert {"ece_equal_mass", "confusion"} <= set(found["splits"]["val"])
    assert found["splits"]["calib"]["nll"] == pytest.approx(ensemble.chosen.calib["nll"], abs=1e-6)
    p = softmax(targets[:, 1:].astype(float), 4)
    four = next(item for item in found["sharpness"] if item["temperature"] == 4)
    assert four["max_probability"] == pytest.approx(p.max(-1).mean(), abs=1e-6)
    assert four["entropy"] == pytest.approx(entropy(p, axis=-1).mean(), abs=1e-6)
    assert four["max_probability_p99"] == pytest.approx(np.quantile(p.max(-1), 0.99), abs=1e-6)
    assert four["entropy_p01"] == pytest.approx(np.quantile(entropy(p, axis=-1), 0.01), abs=1e-6)
    assert [item["temperature"] for item in found["sharpness"]] == [1, 1.2, 2, 4, 6]
    tops = [item["max_probability"] for item in found["sharpness"]]
    assert tops == sorted(tops, reverse=True)


@pytest.mark.parametrize("what", ["model_sha256", "rows_sha256", "preprocessing_hash", "views"])
def test_logits_the_ensemble_was_not_chosen_with_are_refused(made, what):
    _, ensemble = made
    change = {"views": None, "views_hash": None} if what == "views" else {what: "other"}
    dev = {tag: dataclasses.replace(logits, **change) for tag, logits in teachers().items()}
    with pytest.raises(ArtifactError):
        fused_targets(dev, ensemble)


def test_a_teacher_too_few_is_refused(made):
    dev, ensemble = made
    with pytest.raises(ArtifactError, match="other teachers"):
        fused_targets({"rn18": dev["rn18"]}, ensemble)


def test_a_further_metric_does_not_change_the_soft_labels(made, monkeypatch):
    """Otherwise every student would be trained again for it."""
    dev, ensemble = made
    before = target_metrics(dev, ensemble, fused_targets(dev, ensemble), 15)
    module = "fer_core.evaluation.ensemble.targets"
    monkeypatch.setattr(f"{module}.all_metrics", lambda *given: all_metrics(*given) | {"new": 1.0})
    assert target_metrics(dev, ensemble, fused_targets(dev, ensemble), 15) == before


@pytest.fixture(scope="module")
def kinds() -> tuple[dict[str, LogitsSet], Ensemble]:
    """An ensemble with weights of every kind; b3 has none of those that are given."""
    dev = teachers()
    calib = ROWS.split("calib")
    chosen = EnsembleOptions(
        spaces=["prob"],
        step=0.5,
        objective="nll",
        kinds=("global", "per_class", "per_source"),
        weightings={"given": {"space": "logit", "weights": {"rn18": 2.0}}},
        folds=2,
    )
    origins = RowOrigins(
        [ROWS.sample_ids[row] for row in calib],
        [SOURCES[row] for row in calib],
        [ROWS.sample_ids[row] for row in calib],
    )
    ensemble, _ = choose_ensemble(
        {tag: logits.only("calib") for tag, logits in dev.items()}, chosen, 15, origins
    )
    return dev, ensemble


def raw(dev: dict[str, LogitsSet], view: int) -> dict[str, np.ndarray]:
    """Logits of one stored view of the train rows."""
    return {tag: logits.views[:, view] for tag, logits in dev.items()}


@pytest.mark.parametrize("weights", ["best_single", "uniform", "given", "global"])
def test_any_weighting_may_teach(kinds, weights):
    dev, ensemble = kinds
    how = Teaching(TargetOptions(weights=weights))
    weighting = (ensemble.weightings() | {"global": ensemble.chosen})[weights]
    found = fused_targets(dev, ensemble, how)
    expected = ensemble.fused(raw(dev, 1), weighting).astype(np.float16)
    np.testing.assert_array_equal(found[:, 2], expected)
    report = how.to_dict(ensemble)
    assert report["weights"] == weighting.weights
    assert ("targets" in report) == (weights != "global")
    target_metrics(dev, ensemble, found, 15, how)


@pytest.mark.parametrize("weights", ["per_class", "per_source"])
def test_weights_by_class_and_source_may_teach(kinds, weights):
    dev, ensemble = kinds
    how = Teaching(TargetOptions(weights=weights), SOURCES)
    found = fused_targets(dev, ensemble, how)
    sources = [SOURCES[row] for row in TRAIN]
    for view in range(K):
        expected = ensemble.fused_by(weights, raw(dev, view), sources).astype(np.float16)
        np.testing.assert_array_equal(found[:, view + 1], expected)
    assert tuple(teacher_targets(dev, ensemble, how)) == ("rn18", "b3")
    val = ROWS.split("val")
    measured = target_metrics(dev, ensemble, found, 15, how)["splits"]["val"]
    evaluated = {tag: logits.eval[val] for tag, logits in dev.items()}
    fused = ensemble.fused_by(weights, evaluated, [SOURCES[row] for row in val])
    assert measured["nll"] == all_metrics(fused, ROWS.labels[val], 15)["nll"]


def test_one_teacher_may_teach_alone(kinds):
    dev, ensemble = kinds
    how = Teaching(TargetOptions(weights="b3"))
    alone = teacher_targets(dev, ensemble, how)
    assert tuple(alone) == ("b3",)
    np.testing.assert_allclose(fused_targets(dev, ensemble, how), alone["b3"], rtol=2e-3)


def test_teachers_without_weight_do_not_take_part(kinds):
    dev, ensemble = kinds
    given = Teaching(TargetOptions(weights="given"))
    assert tuple(teacher_targets(dev, ensemble, given)) == ("rn18",)
    assert tuple(teacher_targets(dev, ensemble)) == ("rn18", "b3")


def test_views_are_averaged_as_probabilities_and_votes_are_mixed_in(made):
    dev, ensemble = made
    p = softmax(fused_targets(dev, ensemble).astype(float)).mean(axis=1)
    options = TargetOptions(average="views")
    found = fused_targets(dev, ensemble, Teaching(options))
    assert (found == found[:, :1]).all()
    np.testing.assert_allclose(softmax(found[:, 0].astype(float)), p, atol=2e-3)

    votes = np.random.default_rng(0).dirichlet(np.ones(7), len(ROWS))
    votes[TRAIN[5]] = 0
    mixed = TargetOptions(average="views", votes=0.4)
    how = Teaching(mixed, votes=votes)
    found = fused_targets(dev, ensemble, how)
    expected = 0.6 * p + 0.4 * votes[TRAIN]
    expected[5] = p[5]
    np.testing.assert_allclose(softmax(found[:, 1].astype(float)), expected, atol=2e-3)
    told = target_metrics(dev, ensemble, found, 15, how)["splits"]["train"]["nll"]
    labels = ROWS.labels[TRAIN]
    assert told == pytest.approx(-np.log(expected[np.arange(60), labels]).mean(), abs=2e-3)


@pytest.mark.parametrize(
    ("weights", "told"),
    [("per_class", "ensemble.kinds"), ("nobody", "best_single, uniform"), ("b4", "rn18")],
)
def test_weights_that_are_not_there_are_refused(made, weights, told):
    dev, ensemble = made
    with pytest.raises(ParamsError, match=told):
        fused_targets(dev, ensemble, Teaching(TargetOptions(weights=weights)))


def test_options_that_cannot_be_are_refused():
    for values in ({"votes": 1.5}, {"average": "crops"}, {"weight": "global"}):
        with pytest.raises(ValidationError):
            TargetOptions.model_validate(values)
