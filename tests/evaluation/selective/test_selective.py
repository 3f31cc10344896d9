"""Risk and coverage, thresholds and conformal sets against plain loops and simulation."""

from itertools import permutations

import numpy as np
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.selective.conformal import class_sets, class_thresholds
from fer_core.evaluation.selective.curve import aurc, coverage_at, risk_coverage, threshold_for
from fer_core.evaluation.selective.options import SelectiveOptions
from fer_core.evaluation.selective.report import (
    fit,
    measure_selective,
    read_fitted,
    write_fitted,
)
from tests.arrange_logits import noisy_logits

EVALUATION = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")


def answers(count: int, seed: int, labels: np.ndarray | None = None) -> Answers:
    labels = np.random.default_rng(seed).integers(0, 7, count) if labels is None else labels
    p = softmax(noisy_logits(labels, seed, skill=1.6))
    return Answers([f"a/{i}" for i in range(len(labels))], labels, p, np.arange(len(labels)))


def by_hand(confidence: np.ndarray, right: np.ndarray) -> tuple[float, list[tuple[float, float]]]:
    """Area and points of the curve, threshold by threshold."""
    points = []
    for threshold in sorted(set(confidence.tolist()), reverse=True):
        kept = confidence >= threshold
        points.append((float(kept.mean()), float((~right)[kept].mean())))
    area = np.mean([(~right)[confidence >= one].mean() for one in confidence])
    return float(area), points


@pytest.mark.parametrize("digits", [9, 1])
def test_curve_and_area_equal_a_loop_over_thresholds(digits: int) -> None:
    found = answers(200, 1)
    sure = found.confidence.round(digits)  # one digit: many ties
    curve, (area, points) = risk_coverage(sure, found.right), by_hand(sure, found.right)
    found_points = np.stack([curve.coverage, curve.risk], axis=1)
    assert found_points == pytest.approx(np.array(points))
    assert aurc(curve) == pytest.approx(area)
    best = max((c for c, r in points if r <= 0.1), default=0.0)
    assert coverage_at(curve, 0.1) == pytest.approx(best)


def test_weights_mean_repeated_rows_and_order_plays_no_part() -> None:
    found, rng = answers(80, 2), np.random.default_rng(0)
    weights, order = rng.integers(0, 3, 80), rng.permutation(80)
    sure, right = found.confidence, found.right
    repeated = np.repeat(np.arange(80), weights)
    one = risk_coverage(sure, right, weights)
    assert aurc(one) == pytest.approx(aurc(risk_coverage(sure[repeated], right[repeated])))
    assert aurc(risk_coverage(sure[order], right[order])) == pytest.approx(
        aurc(risk_coverage(sure, right))
    )


def test_a_perfect_model_has_no_risk_and_a_threshold_is_the_lowest_that_keeps_its_promise() -> None:
    assert aurc(risk_coverage(np.array([0.5, 0.9]), np.array([True, True]))) == 0
    found = answers(500, 3)
    threshold = threshold_for(found.confidence, found.right, 0.1)
    assert threshold is not None
    kept = found.confidence >= threshold
    assert ((~found.right)[kept].sum() + 1) / (kept.sum() + 1) <= 0.1
    lower = found.confidence[found.confidence < threshold]
    for one in lower:
        kept = found.confidence >= one
        assert ((~found.right)[kept].sum() + 1) / (kept.sum() + 1) > 0.1
    assert threshold_for(np.array([0.9, 0.8]), np.array([False, True]), 0.1) is None


def conformal_by_definition(p: np.ndarray, labels: np.ndarray, miss: float) -> list[float | None]:
    """The textbook's quantile of the scores 1 - p of a class, with its finite-sample correction."""
    thresholds: list[float | None] = []
    for label in range(7):
        scores = np.sort(1 - p[labels == label, label])
        rank = int(np.ceil((len(scores) + 1) * (1 - miss) - 1e-9))
        thresholds.append(1 - float(scores[rank - 1]) if rank <= len(scores) else None)
    return thresholds


@pytest.mark.parametrize("miss", [0.05, 0.1, 0.3])
def test_sets_are_those_of_the_conformal_quantile(miss: float) -> None:
    found = answers(300, 4, np.repeat(np.arange(7), [3, 9, 20, 60, 60, 80, 68]))
    mine = class_thresholds(found.p, found.labels, miss)
    expected = conformal_by_definition(found.p, found.labels, miss)
    assert [one is None for one in mine] == [one is None for one in expected]
    assert [one or 0 for one in mine] == pytest.approx([one or 0 for one in expected])
    if miss == 0.05:
        assert mine[0] is None and class_sets(found.p, mine)[:, 0].all()


def test_sets_hold_the_label_of_new_faces_as_often_as_promised() -> None:
    held = []
    for seed in range(60):
        calib, new = answers(210, seed), answers(700, 1000 + seed)
        sets = class_sets(new.p, class_thresholds(calib.p, calib.labels, 0.1))
        held.append(sets[np.arange(700), new.labels].mean())
    assert 0.9 <= np.mean(held) < 0.94


def test_a_confidence_is_rounded_up_and_the_probability_of_a_class_down() -> None:
    sure = np.array([0.8000004, 0.9000006, 0.95])
    p = np.stack([sure, *[(1 - sure) / 6] * 6], axis=1)
    three = Answers(["a", "b", "c"], np.zeros(3, dtype=np.int64), p, np.arange(3))
    fitted = fit(three, SelectiveOptions(risks=(0.5,), auto=0.5, miss=0.5))
    assert fitted.auto == fitted.abstain["0.5"] == 0.800001
    assert fitted.classes["Angry"] == 0.9


def test_record_names_what_has_no_number_and_thresholds_are_read_back(tmp_path) -> None:
    labels = np.array([0, 2, 3, 4, 5, 6] * 50)  # no Disgust anywhere
    calib, test = answers(0, 5, labels), answers(0, 6, labels)
    options = SelectiveOptions(risks=(0.1, 0.001), auto=0.1)
    fitted = fit(calib, options)
    found = measure_selective(test, calib, fitted, options, EVALUATION, 1)
    assert found["abstain"]["0.001"] == {
        "n": 300,
        "reason": "calib rows promise a risk of 0.001 at no threshold",
    }
    assert found["sets"]["classes"]["Disgust"]["n"] == 0
    assert "too few calib rows" in found["sets"]["classes"]["Disgust"]["reason"]
    kept = test.confidence >= fitted.auto
    assert found["abstain"]["0.1"]["coverage"]["value"] == pytest.approx(kept.mean(), abs=1e-6)
    assert found["abstain"]["0.1"]["risk"]["value"] == pytest.approx(
        (~test.right)[kept].mean(), abs=1e-6
    )
    assert found["curve"][-1]["risk"] == found["error"]["value"]
    write_fitted(tmp_path / "selective", fitted, "weights")
    assert read_fitted(tmp_path / "selective", "weights") == fitted
    with pytest.raises(ArtifactError, match="other weights"):
        read_fitted(tmp_path / "selective", "others")


def test_the_best_area_is_that_of_the_best_order_of_the_same_answers() -> None:
    """No order of the faces has less area than the right answers first (tried: all orders)."""
    right = np.array([True, False, True, True, False])
    orders = (np.array(one, dtype=float) for one in permutations(range(5)))
    least = min(aurc(risk_coverage(sure, right)) for sure in orders)
    labels = np.zeros(5, dtype=np.int64)
    p = np.full((5, 7), 0.02)
    p[np.arange(5), np.where(right, 0, 1)] = [0.5, 0.6, 0.7, 0.8, 0.85]
    test = Answers([f"a/{i}" for i in range(5)], labels, p, np.arange(5))
    options = SelectiveOptions(risks=(0.1,), auto=0.1)
    found = measure_selective(test, test, fit(test, options), options, EVALUATION, 1)
    assert found["aurc_best"]["value"] == pytest.approx(least, abs=1e-6)
    for end in ("low", "value", "high"):  # each resample has a best order of its own
        assert found["aurc_best"][end] <= found["aurc"][end]
