"""Acceptance gates: rules hold and fail where they should, and models of other rows are refused."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.evaluation.calibration.calibrators import Temperature
from fer_core.evaluation.comparison.gates import (
    GATES,
    SetComparison,
    compare_sets,
    fitted_temperature,
    judge,
)
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.evaluation.metrics.record import Evaluation
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
LARGE = (TEST_ROWS.frame["min_side"] >= 96).to_numpy()


def evaluation(
    key: str, skill: float, seed: int = 2, sets: dict[str, np.ndarray] | None = None
) -> Evaluation:
    dev = logits_set(DEV_ROWS, ("val", "calib"), seed, model=key)
    test = logits_set(TEST_ROWS, ("test",), seed, model=key, skill=skill, dtype="float32")
    return Evaluation(
        key,
        "student",
        dev,
        test,
        sets or {"everything": np.ones(len(test), dtype=bool), "large": LARGE},
        {},
        {},
    )


def seen(**changes: float) -> SetComparison:
    """A set on which the baseline scores 0.5 in all and a candidate changes that by so much."""
    differences = {
        name: Interval(value, value - 0.01, value + 0.01) for name, value in changes.items()
    }
    return SetComparison("publictest", 3589, dict.fromkeys(changes, 0.5), differences)


def test_numbers_are_those_of_scikit_learn():
    a, b = evaluation("a", 1.8), evaluation("b", 1.2, seed=7)
    found = {one.name: one for one in compare_sets(a, b, None, bins=15, resamples=100, seed=1)}
    assert list(found) == ["everything", "large"]
    assert (found["everything"].rows, found["large"].rows) == (210, LARGE.sum())
    labels = b.test.labels[LARGE]
    f1_a, f1_b = (
        f1_score(labels, model.test.eval[LARGE].argmax(1), average=None) for model in (a, b)
    )
    large = found["large"]
    assert large.baseline["macro_f1"] == pytest.approx(f1_b.mean(), abs=1e-9)
    assert large.baseline["minority_f1"] == pytest.approx(np.sort(f1_b)[:3].mean(), abs=1e-9)
    assert large.change("macro_f1") == pytest.approx(f1_a.mean() - f1_b.mean(), abs=1e-9)
    assert large.change("minority_f1") == pytest.approx(
        np.sort(f1_a)[:3].mean() - np.sort(f1_b)[:3].mean(), abs=1e-9
    )
    probabilities = np.exp(b.test.eval[LARGE]) / np.exp(b.test.eval[LARGE]).sum(1, keepdims=True)
    assert large.baseline["nll"] == pytest.approx(
        log_loss(labels, probabilities, labels=range(7)), abs=1e-5
    )
    for one in found.values():
        for interval in one.difference.values():
            assert interval.low < interval.value < interval.high


def test_model_against_itself_changes_nothing():
    (one,) = compare_sets(
        evaluation("a", 1.5), evaluation("a", 1.5), ["large"], bins=15, resamples=100, seed=1
    )
    assert all(
        (change.low, change.value, change.high) == (0, 0, 0) for change in one.difference.values()
    )
    assert judge("regression", [one]).passed
    assert judge("nl", [one]).passed
    assert not judge("target", [one]).passed
    assert not judge("negl", [one]).passed
    assert not judge("combined", [one]).passed


@pytest.mark.parametrize(
    ("gate", "changes", "passes"),
    [
        ("regression", {"macro_f1": -0.0099, "minority_f1": -0.0199}, True),
        ("regression", {"macro_f1": -0.0101, "minority_f1": 0.1}, False),
        ("regression", {"macro_f1": 0.1, "minority_f1": -0.0201}, False),
        ("target", {"macro_f1": -0.0099, "minority_f1": 0.0101}, True),
        ("target", {"macro_f1": -0.0101, "minority_f1": 0.0101}, False),
        ("target", {"macro_f1": 0.0, "minority_f1": 0.0099}, False),
        ("negl", {"ece": -0.11, "nll": 0.0}, True),
        ("negl", {"ece": 0.0, "nll": -0.051}, True),
        ("negl", {"ece": -0.09, "nll": -0.049}, False),
        ("nl", {"minority_f1": 0.0}, True),
        ("nl", {"minority_f1": -0.0001}, False),
        ("combined", {"macro_f1": -0.0099, "ece": 0.1, "nll": -0.001}, True),
        ("combined", {"macro_f1": -0.0101, "ece": -0.1, "nll": -0.1}, False),
        ("combined", {"macro_f1": 0.1, "ece": 0.005, "nll": 0.001}, True),
        ("combined", {"macro_f1": 0.1, "ece": 0.0051, "nll": 0.001}, False),
        ("combined", {"macro_f1": 0.0, "ece": 0.001, "nll": 0.001}, False),
        ("regression", {"macro_f1": 0.59 - 0.60, "minority_f1": 0.38 - 0.40}, True),
        ("target", {"macro_f1": 0.59 - 0.60, "minority_f1": 0.31 - 0.30}, True),
        ("negl", {"ece": 0.4 - 0.5, "nll": 0.0}, True),
    ],
)
def test_rules_hold_up_to_their_limits_and_no_further(
    gate: str, changes: dict[str, float], passes: bool
):
    assert judge(gate, [seen(**changes)]).passed is passes


def test_answers_are_judged_as_the_calibrators_given_make_them():
    hot = evaluation("a", 1.5)
    hot = dataclasses.replace(hot, test=dataclasses.replace(hot.test, eval=4 * hot.test.eval))
    hot = dataclasses.replace(hot, dev=dataclasses.replace(hot.dev, eval=4 * hot.dev.eval))
    plain = evaluation("b", 1.5)
    temperatures = (fitted_temperature(hot), fitted_temperature(plain))
    assert temperatures[0] == pytest.approx(4 * temperatures[1], rel=1e-4)
    (raw,) = compare_sets(hot, plain, ["everything"], 15, 100, 1)
    calibrators = (Temperature(temperatures[0]), Temperature(temperatures[1]))
    (scaled,) = compare_sets(hot, plain, ["everything"], 15, 100, 1, calibrators)
    assert raw.change("nll") > 0.1 and scaled.change("nll") == pytest.approx(0, abs=1e-4)
    assert raw.change("macro_f1") == scaled.change("macro_f1") == 0


def test_rows_of_one_picture_are_drawn_together():
    a, b = evaluation("a", 1.5), evaluation("b", 1.2)
    ids = a.test.sample_ids
    together = dataclasses.replace(a, cluster_of=dict(zip(ids[7:14], ids[:7], strict=True)))
    (one,), (other,) = (
        compare_sets(model, b, ["everything"], 15, 100, 1) for model in (a, together)
    )
    assert (
        one.change("nll") == other.change("nll")
        and one.difference["nll"] != other.difference["nll"]
    )


def test_one_failing_set_fails_the_gate_and_is_named():
    good, bad = (
        seen(macro_f1=0.0, minority_f1=0.0),
        dataclasses.replace(seen(macro_f1=-0.2, minority_f1=0.0), name="rafdb_test"),
    )
    result = judge("regression", [good, bad])
    assert not result.passed
    ((name, words, _, numbers),) = [finding for finding in result.findings if not finding[2]]
    assert (name, words) == ("rafdb_test", "macro-F1 falls by at most 0.01")
    assert numbers == "macro_f1 -0.2000 (-0.2100 to -0.1900) from 0.5000"


def test_share_of_nothing_is_no_gain():
    flat = SetComparison(
        "x",
        1,
        {"ece": 0.0, "nll": 0.0},
        {"ece": Interval(0.0, 0.0, 0.0), "nll": Interval(0.0, 0.0, 0.0)},
    )
    assert not judge("negl", [flat]).passed


def test_every_gate_has_rules_in_words():
    assert all(rules and all(rule.words for rule in rules) for rules in GATES.values())
    with pytest.raises(
        ParamsError,
        match=r"no such gate.*\n.*--gate(.|\n)*bogus(.|\n)*regression, target(.|\n)*remedy",
    ):
        judge("bogus", [])


def test_other_rows_are_refused():
    other = rows_of({"test": 209}, "o" * 64)
    test = logits_set(other, ("test",), 2, model="b")
    stranger = dataclasses.replace(
        evaluation("b", 1.2), test=test, sets={"everything": np.ones(209, dtype=bool)}
    )
    with pytest.raises(ArtifactError, match="different test rows"):
        compare_sets(evaluation("a", 1.2), stranger, None, 15, 100, 1)


def test_sets_that_are_missing_or_differ_are_refused():
    a = evaluation("a", 1.2)
    with pytest.raises(ArtifactError, match="evaluated on a set"):
        compare_sets(a, evaluation("b", 1.2), ["rafdb"], 15, 100, 1)
    with pytest.raises(ArtifactError, match="share no named test set"):
        compare_sets(a, evaluation("b", 1.2, sets={"mine": LARGE}), None, 15, 100, 1)
    with pytest.raises(ArtifactError, match=r"other rows in the two(.|\n)*large"):
        compare_sets(a, evaluation("b", 1.2, sets={"large": ~LARGE}), None, 15, 100, 1)
