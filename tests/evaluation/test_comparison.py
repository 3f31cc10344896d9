import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from fer_core.data.rows import Rows
from fer_core.errors import ArtifactError
from fer_core.evaluation.bootstrap import Interval
from fer_core.evaluation.comparison import Pair, SeedPair, budget_differences, compare_methods, exact_mcnemar, holm, median_p, verdict
from fer_core.evaluation.comparison_report import read_comparison, run_summary, write_comparison
from fer_core.evaluation.metrics import measure, outcome_of
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import Evaluation
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

OPTIONS = EvaluationOptions(bootstrap=200, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
BUDGET = {"init_sha256": "i", "optimiser_steps": 100, "batch": 64, "rows_sha256": "d" * 64, "tuned": {"lr": 0.005}}


def run(method: str, seed: int, skill: float, test_rows: Rows = TEST_ROWS, **budget: object) -> Evaluation:
    key = f"{method}-{seed}"
    dev = logits_set(DEV_ROWS, ("val", "calib"), seed, model=key)
    test = logits_set(test_rows, ("test",), seed, model=key, skill=skill)
    interval = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("accuracy", "macro_f1", "minority_f1", "nll", "ece")}
    measured = {"everything": {"rows_used": len(test), "metrics": interval}}
    return Evaluation(key, "student", dev, test, {"everything": np.ones(len(test), dtype=bool)}, measured, BUDGET | budget)


def runs(**skills: float) -> dict[str, dict[int, Evaluation]]:
    return {method: {seed: run(method, seed, skill) for seed in (1, 2)} for method, skill in skills.items()}


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_scipys_binomial_test(b, c):
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1
    assert exact_mcnemar(b, c) == pytest.approx(expected, abs=1e-12)


def test_holm_follows_the_worked_example_and_keeps_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_never_lowers_a_p_and_keeps_their_order(p):
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    assert [adjusted[i] for i in np.argsort(p)] == sorted(adjusted)


def test_seeds_are_joined_without_counting_rows_twice():
    assert median_p([0.02]) == 0.02
    assert median_p([0.02, 0.5]) == 0.04
    assert median_p([0.01, 0.02, 0.9]) == pytest.approx(0.03)
    assert median_p([0.9, 0.9]) == 1


def test_better_method_is_found_better():
    pairs, refused = compare_methods(runs(ce=0.9, kd=1.6), "everything", OPTIONS, seed=1)
    assert not refused
    (pair,) = pairs
    assert (pair.a, pair.b, pair.n) == ("kd", "ce", 210)
    assert pair.macro_f1.low > 0
    assert pair.nll.high < 0
    assert pair.holm_p < 0.05
    text = verdict(pair, "everything")
    assert "kd has a higher macro-F1 than ce" in text
    assert "NLL is lower (better)" in text
    assert "accuracies differ" in text
    assert "n = 210 rows" in text


def test_equal_methods_are_not_told_apart():
    same = run("ce", 1, 1.2)
    pairs, _ = compare_methods({"ce": {1: same}, "kd": {1: same}}, "everything", OPTIONS, seed=1)
    assert pairs[0].macro_f1.value == 0
    assert pairs[0].p == 1
    assert pairs[0].seeds[0].disagree == 0
    text = verdict(pairs[0], "everything")
    assert "no difference in macro-F1 between kd and ce is shown" in text
    assert "no difference in NLL is shown" in text
    assert "not shown to differ" in text
    assert "one seed" in text


def test_differences_and_counts_are_of_the_runs_themselves():
    by_method = runs(ce=1.1, kd=1.3)
    pairs, _ = compare_methods(by_method, "everything", OPTIONS, seed=1)
    found = {
        m: [measure(outcome_of(r.test.eval, r.test.labels, 15))["macro_f1"] for r in by_seed.values()] for m, by_seed in by_method.items()
    }
    assert pairs[0].macro_f1.value == pytest.approx(np.mean(found["kd"]) - np.mean(found["ce"]))
    for seed_pair in pairs[0].seeds:
        a, b = (by_method[m][seed_pair.seed].test for m in ("kd", "ce"))
        right_a, right_b = a.eval.argmax(1) == a.labels, b.eval.argmax(1) == b.labels
        assert (seed_pair.only_a, seed_pair.only_b) == ((right_a > right_b).sum(), (right_b > right_a).sum())
        assert seed_pair.disagree == (a.eval.argmax(1) != b.eval.argmax(1)).sum() >= seed_pair.only_a + seed_pair.only_b


def test_only_the_rows_of_the_set_count():
    by_method = runs(ce=1.1, kd=1.3)
    half = np.arange(210) < 105
    halved = {m: {s: dataclasses.replace(r, sets={"everything": half}) for s, r in by_seed.items()} for m, by_seed in by_method.items()}
    assert compare_methods(halved, "everything", OPTIONS, 1)[0][0].n == 105


@pytest.mark.parametrize("changed", [{"optimiser_steps": 200}, {"init_sha256": "j"}, {"batch": 32}, {"rows_sha256": "x"}, {"extra": 1}])
def test_unequal_budgets_are_refused_with_the_reason(changed):
    by_method = runs(ce=1.1, kd=1.3, dkd=1.2)
    by_method["kd"][2] = run("kd", 2, 1.3, **changed)
    pairs, refused = compare_methods(by_method, "everything", OPTIONS, seed=1)
    assert [(pair.a, pair.b) for pair in pairs] == [("dkd", "ce")]
    assert {(refusal.a, refusal.b) for refusal in refused} == {("kd", "ce"), ("dkd", "kd")}
    assert all("seed 2" in reason and next(iter(changed)) in reason for refusal in refused for reason in refusal.reasons)


def test_unequal_budgets_are_compared_where_params_allow_it_and_the_words_say_so():
    allowed = OPTIONS.model_copy(update={"allow_unequal_budgets": True})
    by_method = runs(ce=1.1, kd=1.3, dkd=1.2)
    by_method["kd"][2] = run("kd", 2, 1.3, optimiser_steps=200, init_sha256="j")
    pairs, refused = compare_methods(by_method, "everything", allowed, seed=1)
    assert not refused
    unequal = {(pair.a, pair.b): pair.unequal for pair in pairs}
    assert unequal == {
        ("kd", "ce"): ("init_sha256", "optimiser_steps"),
        ("dkd", "ce"): (),
        ("dkd", "kd"): ("init_sha256", "optimiser_steps"),
    }
    for pair in pairs:
        assert ("budgets differ (init_sha256, optimiser_steps)" in verdict(pair, "everything")) == ("kd" in (pair.a, pair.b))


def test_each_method_may_have_its_own_learning_rate():
    by_method = runs(ce=1.1, kd=1.3)
    by_method["kd"] = {seed: run("kd", seed, 1.3, tuned={"lr": 0.002}) for seed in (1, 2)}
    pairs, refused = compare_methods(by_method, "everything", OPTIONS, seed=1)
    assert len(pairs) == 1
    assert not refused


def test_runs_without_a_budget_are_refused():
    assert budget_differences({}, {}) == ["a run has no recorded budget"]
    assert budget_differences(BUDGET, dict(reversed(BUDGET.items()))) == []
    assert budget_differences({"steps": None}, {"rows": 1}) != []


def test_holm_family_is_the_pairs_compared():
    pairs, _ = compare_methods(runs(ce=1.0, kd=1.2, dkd=1.3), "everything", OPTIONS, seed=1)
    assert [pair.holm_p for pair in pairs] == holm([pair.p for pair in pairs])
    assert len(pairs) == 3


def test_other_test_rows_another_set_or_other_seeds_are_errors():
    by_method = runs(ce=1.1, kd=1.3)
    with pytest.raises(ArtifactError, match="not a named test set"):
        compare_methods(by_method, "nowhere", OPTIONS, 1)
    other = by_method | {"kd": {seed: run("kd", seed, 1.3, Rows(TEST_ROWS.frame, "x" * 64)) for seed in (1, 2)}}
    with pytest.raises(ArtifactError, match="different test rows"):
        compare_methods(other, "everything", OPTIONS, 1)
    changed = dataclasses.replace(by_method["kd"][2], sets={"everything": np.arange(210) > 0})
    with pytest.raises(ArtifactError, match="different test rows"):
        compare_methods(by_method | {"kd": by_method["kd"] | {2: changed}}, "everything", OPTIONS, 1)
    with pytest.raises(ArtifactError, match="different seeds"):
        compare_methods(by_method | {"kd": {1: by_method["kd"][1]}}, "everything", OPTIONS, 1)
    with pytest.raises(ArtifactError, match="no run"):
        compare_methods({}, "everything", OPTIONS, 1)


def test_a_worse_method_is_called_worse():
    pair = Pair("kd", "ce", 50, Interval(-0.02, -0.03, -0.01), Interval(0.1, 0.05, 0.2), (SeedPair(1, 1, 9, 12, 0.02),), 0.02, 0.06)
    text = verdict(pair, "rafdb_test")
    assert "On rafdb_test, kd has a lower macro-F1 than ce (-0.0200, 95 % CI -0.0300 to -0.0100)" in text
    assert "higher (worse)" in text
    assert "not shown to differ (McNemar p = 0.02, 0.06 after Holm)" in text


def test_written_comparison_is_read_and_says_it_in_words(tmp_path: Path):
    by_method = runs(ce=0.9, kd=1.6)
    by_method["dkd"] = {seed: run("dkd", seed, 1.2, batch=1) for seed in (1, 2)}
    pairs, refused = compare_methods(by_method, "everything", OPTIONS, seed=1)
    summaries = [run_summary(one, "everything") for by_seed in by_method.values() for one in by_seed.values()]
    write_comparison(tmp_path / "comparison", "everything", pairs, refused, summaries)
    found = read_comparison(tmp_path / "comparison")
    assert found["set"] == "everything"
    assert found["pairs"][0]["delta_macro_f1"] == pairs[0].macro_f1.to_dict()
    assert [item["a"] for item in found["refused"]] == ["dkd", "dkd"]
    assert len(found["runs"]) == 6
    words = (tmp_path / "comparison" / "comparison.md").read_text()
    assert found["pairs"][0]["verdict"] in words
    assert "batch: 1 and 64" in words
    assert "| kd-1 | student | 0.005 | 210 | 0.5000 (0.4000 to 0.6000) |" in words
    assert (tmp_path / "comparison" / "comparison.csv").read_text().startswith("set,a,b,delta_macro_f1,delta_macro_f1_low")


def test_comparison_without_pairs_is_still_whole(tmp_path: Path):
    write_comparison(tmp_path / "c", "everything", [], [], [])
    assert read_comparison(tmp_path / "c")["pairs"] == []
    assert "No two methods were compared." in (tmp_path / "c" / "comparison.md").read_text()
