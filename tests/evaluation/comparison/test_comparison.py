import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_core.base.errors import ArtifactError
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.comparison.comparison import compare_methods as compare_under
from fer_core.evaluation.comparison.fairness import budget_differences
from fer_core.evaluation.comparison.pairs import (
    DIFFERENCES,
    Conditions,
    Difference,
    MethodPair,
    Refusal,
    SeedPair,
)
from fer_core.evaluation.comparison.report import (
    read_comparison,
    run_summary,
    verdict,
    write_comparison,
)
from fer_core.evaluation.comparison.significance import holm
from fer_core.evaluation.metrics.bootstrap import Interval
from fer_core.evaluation.metrics.metrics import measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation
from tests.arrange_logits import DEV, TEST, logits_set, rows_of

OPTIONS = EvaluationOptions(bootstrap=200, bins=15, compare_set="everything")
DEV_ROWS, TEST_ROWS = rows_of(DEV, "d" * 64), rows_of(TEST, "t" * 64)
BUDGET = {
    "init_sha256": "i",
    "optimiser_steps": 100,
    "batch": 64,
    "rows_sha256": "d" * 64,
    "tuned": {"lr": 0.005},
}


def compare_methods(
    by_method: dict[str, dict[int, Evaluation]],
    set_name: str,
    options: EvaluationOptions,
    seed: int,
    **known: object,
) -> tuple[list[MethodPair], list[Refusal]]:
    """On one set, every run at temperature 2 unless told otherwise."""
    temperatures = {one.key: 2.0 for by_seed in by_method.values() for one in by_seed.values()}
    conditions = Conditions(**({"temperatures": temperatures} | known))  # type: ignore[arg-type]
    return compare_under(
        by_method, options.model_copy(update={"compare_set": set_name}), conditions, seed
    )


def run(
    method: str, seed: int, skill: float, test_rows: Rows = TEST_ROWS, **budget: object
) -> Evaluation:
    key = f"{method}-{seed}"
    dev = logits_set(DEV_ROWS, ("val", "calib"), seed, model=key)
    test = logits_set(test_rows, ("test",), seed, model=key, skill=skill)
    interval = {
        name: {"value": 0.5, "low": 0.4, "high": 0.6}
        for name in ("accuracy", "macro_f1", "minority_f1", "nll", "ece")
    }
    measured = {"everything": {"rows_used": len(test), "metrics": interval}}
    return Evaluation(
        key,
        "student",
        dev,
        test,
        {"everything": np.ones(len(test), dtype=bool)},
        measured,
        BUDGET | budget,
    )


def runs(**skills: float) -> dict[str, dict[int, Evaluation]]:
    return {
        method: {seed: run(method, seed, skill) for seed in (1, 2)}
        for method, skill in skills.items()
    }


def test_better_method_is_found_better():
    pairs, refused = compare_methods(runs(ce=0.9, kd=1.6), "everything", OPTIONS, seed=1)
    assert not refused
    (pair,) = pairs
    assert (pair.a, pair.b, pair.n) == ("kd", "ce", 210)
    assert pair.differences["macro_f1"].over_rows.low > 0
    assert pair.differences["nll"].over_rows.high < 0
    assert pair.holm_p < 0.05
    text = verdict(pair)
    assert "kd has a higher macro-F1 than ce" in text
    assert "NLL is lower (better)" in text
    assert "The accuracies differ: kd's is higher (+" in text
    assert "n = 210 rows" in text


def test_equal_methods_are_not_told_apart():
    same = run("ce", 1, 1.2)
    pairs, _ = compare_methods({"ce": {1: same}, "kd": {1: same}}, "everything", OPTIONS, seed=1)
    assert pairs[0].differences["macro_f1"].over_rows.value == 0
    assert pairs[0].p == 1
    assert pairs[0].seeds[0].disagree == 0
    text = verdict(pairs[0])
    assert "no difference in macro-F1 between kd and ce is shown" in text
    assert "No difference in NLL is shown" in text
    assert "not shown to differ" in text
    assert "one seed" in text


def test_differences_and_counts_are_of_the_runs_themselves():
    by_method = runs(ce=1.1, kd=1.3)
    pairs, _ = compare_methods(by_method, "everything", OPTIONS, seed=1)
    found = {
        m: [
            measure(outcome_of(r.test.eval, r.test.labels, 15))["macro_f1"]
            for r in by_seed.values()
        ]
        for m, by_seed in by_method.items()
    }
    assert pairs[0].differences["macro_f1"].over_rows.value == pytest.approx(
        np.mean(found["kd"]) - np.mean(found["ce"])
    )
    for seed_pair in pairs[0].seeds:
        a, b = (by_method[m][seed_pair.seed].test for m in ("kd", "ce"))
        right_a, right_b = a.eval.argmax(1) == a.labels, b.eval.argmax(1) == b.labels
        assert (seed_pair.only_a, seed_pair.only_b) == (
            (right_a > right_b).sum(),
            (right_b > right_a).sum(),
        )
        assert (
            seed_pair.disagree
            == (a.eval.argmax(1) != b.eval.argmax(1)).sum()
            >= seed_pair.only_a + seed_pair.only_b
        )


def test_only_the_rows_of_the_set_count():
    by_method = runs(ce=1.1, kd=1.3)
    half = np.arange(210) < 105
    halved = {
        m: {s: dataclasses.replace(r, sets={"everything": half}) for s, r in by_seed.items()}
        for m, by_seed in by_method.items()
    }
    assert compare_methods(halved, "everything", OPTIONS, 1)[0][0].n == 105


@pytest.mark.parametrize(
    "changed",
    [
        {"optimiser_steps": 200},
        {"init_sha256": "j"},
        {"batch": 32},
        {"rows_sha256": "x"},
        {"extra": 1},
    ],
)
def test_unequal_budgets_are_refused_with_the_reason(changed):
    by_method = runs(ce=1.1, kd=1.3, dkd=1.2)
    by_method["kd"][2] = run("kd", 2, 1.3, **changed)
    pairs, refused = compare_methods(by_method, "everything", OPTIONS, seed=1)
    assert [(pair.a, pair.b) for pair in pairs] == [("dkd", "ce")]
    assert {(refusal.a, refusal.b) for refusal in refused} == {("kd", "ce"), ("dkd", "kd")}
    assert all(
        "seed 2" in reason and next(iter(changed)) in reason
        for refusal in refused
        for reason in refusal.reasons
    )


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
        assert ("budgets differ (init_sha256, optimiser_steps)" in verdict(pair)) == (
            "kd" in (pair.a, pair.b)
        )


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
    short, long = ({"schedule": {"epochs": n, "batch": 64}, "tuned": {"lr": n}} for n in (8, 24))
    assert budget_differences(short, long) == ["schedule.epochs: 8 and 24"]
    assert budget_differences({"schedule": {}}, short) != []


def test_holm_family_is_the_pairs_compared():
    pairs, _ = compare_methods(runs(ce=1.0, kd=1.2, dkd=1.3), "everything", OPTIONS, seed=1)
    assert [pair.holm_p for pair in pairs] == holm([pair.p for pair in pairs])
    assert [one.macro_f1_holm_p for one in pairs] == holm([one.macro_f1_p for one in pairs])
    assert len(pairs) == 3


def test_other_test_rows_another_set_or_other_seeds_are_errors():
    by_method = runs(ce=1.1, kd=1.3)
    with pytest.raises(ArtifactError, match="not a named test set"):
        compare_methods(by_method, "nowhere", OPTIONS, 1)
    other = by_method | {
        "kd": {seed: run("kd", seed, 1.3, Rows(TEST_ROWS.frame, "x" * 64)) for seed in (1, 2)}
    }
    with pytest.raises(ArtifactError, match="different test rows"):
        compare_methods(other, "everything", OPTIONS, 1)
    changed = dataclasses.replace(by_method["kd"][2], sets={"everything": np.arange(210) > 0})
    with pytest.raises(ArtifactError, match="different test rows"):
        compare_methods(
            by_method | {"kd": by_method["kd"] | {2: changed}}, "everything", OPTIONS, 1
        )
    with pytest.raises(ArtifactError, match="different seeds"):
        compare_methods(by_method | {"kd": {1: by_method["kd"][1]}}, "everything", OPTIONS, 1)
    with pytest.raises(ArtifactError, match="no run"):
        compare_methods({}, "everything", OPTIONS, 1)


def pair_of(**intervals: Interval) -> MethodPair:
    """kd against ce on 50 rows, one seed; what is not given shows no difference."""
    none = Interval(0.0, -0.1, 0.1)
    differences = {
        name: Difference(found := intervals.get(name, none), (found.value,)) for name in DIFFERENCES
    }
    seeds = (SeedPair(1, 1, 9, 12, 0.02),)
    p = {"p": 0.02, "holm_p": 0.06, "macro_f1_p": 0.01, "macro_f1_holm_p": 0.03}
    return MethodPair("rafdb_test", "kd", "ce", 50, 50, differences, seeds, **p)


def test_a_worse_method_is_called_worse():
    text = verdict(pair_of(macro_f1=Interval(-0.02, -0.03, -0.01), nll=Interval(0.1, 0.05, 0.2)))
    assert (
        "On rafdb_test, kd has a lower macro-F1 than ce (-0.0200, 95 % CI -0.0300 to -0.0100; "
        "permutation p = 0.01, 0.03 after Holm)" in text
    )
    assert "Its NLL is higher (worse)" in text
    assert "after temperature scaling none is shown" in text
    assert "not shown to differ" in text
    assert "(sign-flip p = 0.02, 0.06 after Holm)" in text.replace(
        "+0.0000, 95 % CI -0.1000 to +0.1000; ", ""
    )


def test_a_macro_f1_is_called_higher_only_where_holm_allows_it():
    ahead = pair_of(macro_f1=Interval(0.02, 0.01, 0.03))
    assert ahead.shown and "kd has a higher macro-F1" in verdict(ahead)
    by_chance = dataclasses.replace(ahead, macro_f1_holm_p=0.09)
    assert not by_chance.shown
    assert "no difference in macro-F1 between kd and ce is shown" in verdict(by_chance)


def test_what_the_seeds_do_not_bear_out_is_said_of_these_seeds_only():
    def with_seeds(*by_seed: float) -> str:
        value = float(np.mean(by_seed))
        pair = pair_of()
        found = Difference(Interval(value, value - 0.01, value + 0.01), by_seed)
        return verdict(
            dataclasses.replace(pair, differences={**pair.differences, "macro_f1": found})
        )

    unsteady, steady = with_seeds(0.06, 0.001, -0.001), with_seeds(0.021, 0.02, 0.019)
    assert (
        "kd has a higher macro-F1 than ce" in unsteady
        and "but only with these seeds (seed by seed +0.0600, +0.0010" in unsteady
    )
    assert "this holds beyond these seeds" in steady
    assert "these seeds" not in with_seeds(0.001, -0.001).replace("beyond", "").partition(
        "Its NLL"
    )[0].replace("no difference", "")


def test_differences_of_each_seed_are_told_and_average_to_the_difference():
    pairs, _ = compare_methods(runs(ce=1.1, kd=1.3), "everything", OPTIONS, seed=1)
    for found in pairs[0].differences.values():
        assert np.mean(found.by_seed) == pytest.approx(found.over_rows.value)
        assert len(found.by_seed) == 2
        assert found.over_seeds.low <= found.over_rows.low


def test_nll_is_also_that_of_the_temperatures_given():
    by_method = {method: {1: run(method, 1, skill)} for method, skill in (("ce", 1.1), ("kd", 1.3))}
    (pair,), _ = compare_methods(
        by_method, "everything", OPTIONS, seed=1, temperatures={"ce-1": 3.0, "kd-1": 0.5}
    )
    a, b = by_method["kd"][1].test, by_method["ce"][1].test
    nll = [
        measure(outcome_of(one.eval, one.labels, 15, t), names=["nll"])["nll"]
        for one, t in ((a, 0.5), (b, 3.0))
    ]
    assert pair.differences["nll_scaled"].over_rows.value == pytest.approx(nll[0] - nll[1])
    assert pair.differences["nll_scaled"].over_rows != pair.differences["nll"].over_rows


def test_rows_of_one_picture_are_drawn_and_tested_as_one():
    by_method = runs(ce=1.1, kd=1.3)
    ids = TEST_ROWS.sample_ids
    once = dict(zip(ids[7:14], ids[:7], strict=True))  # same labels, so each picture stands twice
    paired = {
        m: {s: dataclasses.replace(r, cluster_of=once) for s, r in by_seed.items()}
        for m, by_seed in by_method.items()
    }
    (apart,), _ = compare_methods(by_method, "everything", OPTIONS, seed=1)
    (together,), _ = compare_methods(paired, "everything", OPTIONS, seed=1)
    assert (apart.n, apart.clusters, together.n, together.clusters) == (210, 210, 210, 203)
    for name in DIFFERENCES:
        one, other = (pair.differences[name].over_rows for pair in (apart, together))
        assert one.value == other.value and one != other
    assert (
        sum(together.seeds[0].__dict__[name] for name in ("only_a", "only_b"))
        <= apart.seeds[0].only_a + apart.seeds[0].only_b
    )
    assert "n = 210 rows in 203 clusters" in verdict(together) and "n = 210 rows;" in verdict(apart)


def test_a_method_tried_more_often_than_ce_is_refused_and_the_trials_are_told():
    by_method = runs(ce=1.1, kd=1.3, dkd=1.2)
    pairs, refused = compare_methods(
        by_method, "everything", OPTIONS, 1, trials={"ce": 2, "kd": 4, "dkd": 2}
    )
    assert [(pair.a, pair.b) for pair in pairs] == [("dkd", "ce"), ("dkd", "kd")]
    assert [(one.a, one.b, one.reasons) for one in refused] == [
        ("kd", "ce", ("trials of settings: 2 of ce and 4 of kd",))
    ]
    assert "Settings tried on val rows: 2 of dkd, 4 of kd." in verdict(pairs[1])
    allowed = OPTIONS.model_copy(update={"allow_unequal_budgets": True})
    pairs, refused = compare_methods(by_method, "everything", allowed, 1, trials={"kd": 4})
    assert not refused
    assert "budgets differ (trials of settings)" in verdict(pairs[0])


def test_curves_that_still_rose_are_told_of_the_pair_they_concern():
    pairs, _ = compare_methods(
        runs(ce=1.1, kd=1.3, dkd=1.2), "everything", OPTIONS, 1, rising={"ce": "ce (+0.040)"}
    )
    told = ["still rose when training ended: ce (+0.040)" in verdict(pair) for pair in pairs]
    assert told == [True, True, False]


def test_several_sets_are_one_family_of_tests():
    half = np.arange(210) < 105
    by_method = {
        m: {s: dataclasses.replace(r, sets={**r.sets, "half": half}) for s, r in by_seed.items()}
        for m, by_seed in runs(ce=1.0, kd=1.2, dkd=1.3).items()
    }
    options = EvaluationOptions(bootstrap=200, bins=15, compare_set=["everything", "half"])
    conditions = Conditions({f"{method}-{seed}": 2.0 for method in by_method for seed in (1, 2)})
    pairs, _ = compare_under(by_method, options, conditions, seed=1)
    assert [(pair.set_name, pair.n) for pair in pairs] == [("everything", 210)] * 3 + [
        ("half", 105)
    ] * 3
    assert [pair.holm_p for pair in pairs] == holm([pair.p for pair in pairs])
    assert all("not adjusted for the 6 comparisons" in verdict(pair) for pair in pairs)
    alone, _ = compare_methods(by_method, "half", OPTIONS, seed=1)
    assert [pair.differences for pair in pairs[3:]] == [pair.differences for pair in alone]
    with pytest.raises(ValueError, match="each value once"):
        EvaluationOptions(bootstrap=200, bins=15, compare_set=["half", "half"])


def test_written_comparison_is_read_and_says_it_in_words(tmp_path: Path):
    by_method = runs(ce=0.9, kd=1.6)
    by_method["dkd"] = {seed: run("dkd", seed, 1.2, batch=1) for seed in (1, 2)}
    pairs, refused = compare_methods(
        by_method, "everything", OPTIONS, seed=1, trials={"ce": 3, "kd": 3, "dkd": 1}
    )
    interval = {name: {"value": 0.25, "low": 0.2, "high": 0.3} for name in ("nll", "ece")}
    reliability = {"everything": {"temperature_scaled": {"metrics": interval}}}
    summaries = [
        run_summary(one, reliability, "everything")
        for by_seed in by_method.values()
        for one in by_seed.values()
    ]
    write_comparison(tmp_path / "comparison", ["everything"], pairs, refused, summaries)
    found = read_comparison(tmp_path / "comparison")
    assert (found["set"], found["sets"]) == ("everything", ["everything"])
    pair = found["pairs"][0]
    assert pair["delta_macro_f1"] == pairs[0].differences["macro_f1"].over_rows.to_dict()
    assert (
        pair["delta_nll_scaled_over_seeds"]
        == pairs[0].differences["nll_scaled"].over_seeds.to_dict()
    )
    assert pair["trials"] == {"kd": 3, "ce": 3}
    assert [one["delta_accuracy"] for one in pair["seeds"]] == pytest.approx(
        pairs[0].differences["accuracy"].by_seed, abs=1e-6
    )
    assert [item["a"] for item in found["refused"]] == ["dkd", "dkd"]
    assert len(found["runs"]) == 6
    words = (tmp_path / "comparison" / "comparison.md").read_text()
    assert pair["verdict"] in words
    assert "batch: 1 and 64" in words
    assert "| kd-1 | student | 0.005 | 210 | 0.5000 (0.4000 to 0.6000) |" in words
    assert (
        "| nll, raw | nll, scaled | ece, raw | ece, scaled |" in words
        and words.count("0.2500 (0.2000 to 0.3000)") == 12
    )
    table = pd.read_csv(tmp_path / "comparison" / "comparison.csv")
    assert table["verdict"][0] == pair["verdict"] and table["verdict"][1].startswith(
        "not compared: seed 1: batch: 1 and 64"
    )
    wider = pair["delta_macro_f1_over_seeds"]
    assert (table["delta_macro_f1_seeds_low"][0], table["delta_macro_f1_seeds_high"][0]) == (
        wider["low"],
        wider["high"],
    )
    assert [float(one) for one in table["delta_nll_by_seed"][0].split()] == [
        one["delta_nll"] for one in pair["seeds"]
    ]


def test_comparison_without_pairs_is_still_whole(tmp_path: Path):
    write_comparison(tmp_path / "c", ["everything"], [], [], [])
    assert read_comparison(tmp_path / "c")["pairs"] == []
    assert "No two methods were compared." in (tmp_path / "c" / "comparison.md").read_text()
