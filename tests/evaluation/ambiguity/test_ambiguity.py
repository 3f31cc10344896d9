"""The student against votes: by hand, by simulation, and what has no number."""

import numpy as np
import pytest
from scipy.stats import entropy

from fer_core.evaluation.ambiguity.ambiguity import (
    AmbiguityOptions,
    measure_ambiguity,
    tenth_annotator,
)
from fer_core.evaluation.metrics.deployed import Answers
from fer_core.evaluation.metrics.options import EvaluationOptions

OPTIONS = AmbiguityOptions(share=0.3, shown=3)
EVALUATION = EvaluationOptions(bootstrap=100, bins=15, compare_set="everything")


def case(count: int = 200) -> tuple[Answers, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(7, 0.4), count)
    votes = np.stack([rng.multinomial(10, p) for p in truth]).astype(float)
    p = 0.7 * truth + 0.3 / 7
    ids = [f"a/{i:03d}" for i in range(count)]
    return Answers(ids, votes.argmax(axis=1), p, np.arange(count)), votes


def measured(answers: Answers, votes: np.ndarray) -> dict:
    return measure_ambiguity(answers, votes, OPTIONS, EVALUATION, 1)


def test_figures_are_those_of_a_loop_over_rows() -> None:
    answers, votes = case()
    found, shares = measured(answers, votes), votes / 10
    said = answers.p.argmax(axis=1)
    nll = [-sum(q * np.log(p)) for q, p in zip(shares, answers.p, strict=True)]
    assert found["nll"]["value"] == pytest.approx(np.mean(nll), abs=1e-6)
    assert found["nll_least"]["value"] == pytest.approx(entropy(shares, axis=1).mean(), abs=1e-6)
    assert found["nll"]["value"] > found["nll_least"]["value"]
    agreeing = [q[k] for q, k in zip(shares, said, strict=True)]
    assert found["soft_accuracy"]["value"] == pytest.approx(np.mean(agreeing), abs=1e-6)
    bins = np.minimum((answers.confidence * 15).astype(int), 14)
    gaps = [abs(np.sum((agreeing - answers.confidence)[bins == b])) for b in range(15)]
    assert found["ece"]["value"] == pytest.approx(sum(gaps) / 200, abs=1e-6)
    wrong = said != answers.labels
    shared = [i for i in np.flatnonzero(wrong) if agreeing[i] >= 0.3]
    assert (found["mistakes"]["wrong"], found["mistakes"]["shared"]) == (wrong.sum(), len(shared))
    top = max(shared, key=lambda i: (agreeing[i], -i))
    assert found["mistakes"]["faces"][0]["sample_id"] == answers.sample_ids[top]


def test_one_more_annotator_agrees_as_often_as_in_a_simulation() -> None:
    _, votes = case(8)
    rng, trials = np.random.default_rng(1), 20_000
    for row in votes.astype(int):
        people = np.repeat(np.arange(7), row)
        hits = 0.0
        for taken in rng.integers(0, 10, trials // 20):
            others = np.bincount(np.delete(people, taken), minlength=7)
            most = np.flatnonzero(others == others.max())
            hits += (people[taken] in most) / len(most)
        expected = hits / (trials // 20)
        assert tenth_annotator(row[None])[0] == pytest.approx(expected, abs=0.06)


def test_of_one_mind_there_is_no_ceiling_below_one() -> None:
    assert tenth_annotator(np.eye(7) * 10) == pytest.approx(np.ones(7))


def test_votes_that_do_not_sum_and_rows_without_any_are_named_and_left_out() -> None:
    answers, votes = case(50)
    votes[0], votes[1], votes[2], votes[3] = 0, np.nan, -1, [np.nan, *votes[3, 1:]]
    found = measured(answers, votes)
    assert found["rows"] == 46
    assert {name: one["n"] for name, one in found["left_out"].items()} == {
        "no_votes": 1,
        "unsound": 3,
    }
    none = measured(answers, np.full_like(votes, np.nan))
    assert (none["n"], none["reason"]) == (0, "no test row has votes") and "nll" not in none


def test_shares_instead_of_counts_leave_the_annotators_without_a_number() -> None:
    answers, votes = case(50)
    found = measured(answers, votes / 10)
    assert found["annotator"]["n"] > 0 and "not counts" in found["annotator"]["reason"]
    assert found["soft_accuracy"] == measured(answers, votes)["soft_accuracy"]
