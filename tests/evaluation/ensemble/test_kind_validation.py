import numpy as np
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.folds import stratified_group_folds
from fer_core.evaluation.calibration.calibration import fit_temperature
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.kinds import RowOrigins, validate_kinds
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from tests.arrange_logits import noisy_logits

ALL = EnsembleOptions(
    spaces=["logit"],
    step=0.5,
    objective="nll",
    kinds=("global", "per_class", "per_source"),
    folds=3,
)
ONE = ALL.model_copy(update={"kinds": ("global",)})
LABELS = np.random.default_rng(0).integers(0, 7, 900)
IDS = [f"raf/{i:04d}.png" for i in range(900)]


def test_global_score_of_one_teacher_is_its_cross_validated_temperature():
    raw = noisy_logits(LABELS, 1, scale=4)
    fold = stratified_group_folds(IDS, LABELS, IDS, 3)
    expected = np.empty_like(raw)
    for k in range(3):
        expected[fold == k] = (
            raw[fold == k] / fit_temperature(raw[fold != k], LABELS[fold != k]).temperature
        )
    found = validate_kinds(
        {"a": raw}, LABELS, RowOrigins(IDS, ["raf"] * 900, IDS), ONE, "logit", 15
    )
    exact = measure(outcome_of(expected, LABELS, 15))
    assert found["global"]["nll"] == pytest.approx(exact["nll"], abs=1e-4)
    assert found["global"]["accuracy"] == pytest.approx(exact["accuracy"], abs=1e-6)
    assert set(found["global"]) == {"accuracy", "macro_f1", "nll", "ece"}


def test_weights_by_source_win_where_each_source_has_its_teacher_and_not_where_sources_are_alike():
    sources = np.where(np.arange(900) % 2, "raf", "expw")
    noise = np.random.default_rng(5).normal(size=(2, 900, 7))
    origins = RowOrigins(IDS, sources.tolist(), IDS)
    a, b = noisy_logits(LABELS, 1), noisy_logits(LABELS, 2)
    apart = {
        "a": np.where((sources == "raf")[:, None], a, noise[0]),
        "b": np.where((sources == "raf")[:, None], noise[1], b),
    }
    found = validate_kinds(apart, LABELS, origins, ALL, "logit", 15)
    assert found["per_source"]["nll"] < found["global"]["nll"] - 0.1
    alike = validate_kinds({"a": a, "b": b}, LABELS, origins, ALL, "logit", 15)
    assert alike["per_source"]["nll"] > alike["global"]["nll"] - 0.01


def test_a_single_group_is_refused():
    groups = ["photo1"] * 900
    with pytest.raises(ArtifactError, match="not enough rows to cross-validate"):
        validate_kinds(
            {"a": noisy_logits(LABELS, 1)},
            LABELS,
            RowOrigins(IDS, ["raf"] * 900, groups),
            ALL,
            "logit",
            15,
        )
