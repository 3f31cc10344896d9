"""Comparing training methods on one test set, row by row.

A method is its runs, one a seed. Differences are of the mean over seeds; their intervals are over the choice of test rows. Two methods
are compared only if, seed by seed, they were given the same budget (initial weights, rows, steps, batch, …), else the pair is refused;
unless params allow it, and then the words say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from fer_core.errors import ArtifactError
from fer_core.evaluation.bootstrap import Interval, paired_differences
from fer_core.evaluation.metrics import Outcome, outcome_of
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import Evaluation

__all__ = ["Pair", "Refusal", "SeedPair", "budget_differences", "compare_methods", "exact_mcnemar", "holm", "median_p", "verdict"]

_ALPHA = 0.05


@dataclass(frozen=True)
class SeedPair:
    """Two runs of one seed on the same rows.

    Attributes:
        seed: of both.
        only_a, only_b: rows that only a, only b classifies right.
        disagree: rows on which the predictions differ.
        p: exact McNemar.
    """

    seed: int
    only_a: int
    only_b: int
    disagree: int
    p: float


@dataclass(frozen=True)
class Pair:
    """Method a against method b.

    Attributes:
        a, b: methods; differences are a − b.
        n: test rows.
        macro_f1, nll: differences of the mean over seeds with 95 % intervals.
        seeds: the runs in pairs.
        p: of all seeds together (`median_p`).
        holm_p: adjusted for all pairs compared.
        unequal: what their budgets differ in, by name; empty where they are equal.
    """

    a: str
    b: str
    n: int
    macro_f1: Interval
    nll: Interval
    seeds: tuple[SeedPair, ...]
    p: float
    holm_p: float
    unequal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A pair that is not compared, and why, in words."""

    a: str
    b: str
    reasons: tuple[str, ...]


def exact_mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p of McNemar's test: min(1, 2 P(X ≤ min)), X ~ Binomial(only_a + only_b, 1/2); 1 where there is no discordant row."""
    return float(min(1.0, 2 * bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of a family of p-values, in the order given."""
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def median_p(p: Sequence[float]) -> float:
    """One p-value from K that may depend on each other in any way: K / k times the k-th smallest, k = ⌈K / 2⌉ (Rüger 1978)."""
    k = (len(p) + 1) // 2
    return min(1.0, len(p) / k * sorted(p)[k - 1])


def budget_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What two budgets differ in, in words; empty where they are equal. A run that recorded none is equal to nothing.

    What stands under `tuned` may differ: every method has its own learning rate, found on val rows with the same number of trials.
    """
    if not a or not b:
        return ["a run has no recorded budget"]
    return [
        f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}"
        for name in sorted((set(a) | set(b)) - {"tuned"})
        if a.get(name) != b.get(name) or (name in a) != (name in b)
    ]


def compare_methods(
    runs: Mapping[str, Mapping[int, Evaluation]], set_name: str, options: EvaluationOptions, seed: int
) -> tuple[list[Pair], list[Refusal]]:
    """Compare every two methods; of a pair, the method listed later is `a`.

    Args:
        runs: method -> seed -> evaluation.
        set_name: the named test set.
        options: section `evaluation`.
        seed: of the bootstrap.

    Raises:
        ArtifactError: an unknown set, methods with different seeds, or runs evaluated on different test rows.
    """
    outcomes = {method: _outcomes(by_seed, set_name, options.bins) for method, by_seed in runs.items()}
    _check_same_rows(runs, set_name)
    methods = list(runs)
    compared: list[tuple[str, str, tuple[SeedPair, ...], dict[str, Interval], tuple[str, ...]]] = []
    refused = []
    for i, b in enumerate(methods):
        for a in methods[i + 1 :]:
            unequal = [(s, text) for s in runs[a] for text in budget_differences(runs[a][s].budget, runs[b][s].budget)]
            if unequal and not options.allow_unequal_budgets:
                refused.append(Refusal(a, b, tuple(f"seed {s}: {text}" for s, text in unequal)))
                continue
            names = tuple(sorted({text.partition(":")[0] for _, text in unequal}))
            differences = paired_differences(
                list(outcomes[a].values()), list(outcomes[b].values()), ("macro_f1", "nll"), options.bootstrap, seed
            )
            compared.append((a, b, tuple(_seed_pair(s, outcomes[a][s], outcomes[b][s]) for s in outcomes[a]), differences, names))
    p = [median_p([pair.p for pair in seeds]) for _, _, seeds, _, _ in compared]
    pairs = [
        Pair(a, b, len(next(iter(outcomes[a].values()))), found["macro_f1"], found["nll"], seeds, own, adjusted, names)
        for (a, b, seeds, found, names), own, adjusted in zip(compared, p, holm(p), strict=True)
    ]
    return pairs, refused


def verdict(pair: Pair, set_name: str) -> str:
    """What the numbers of a pair mean, in words."""
    f1, nll = pair.macro_f1, pair.nll
    if f1.low > 0 or f1.high < 0:
        first = f"On {set_name}, {pair.a} has a {'higher' if f1.value > 0 else 'lower'} macro-F1 than {pair.b}"
    else:
        first = f"On {set_name}, no difference in macro-F1 between {pair.a} and {pair.b} is shown"
    if nll.low > 0 or nll.high < 0:
        second = f"its NLL is {'higher (worse)' if nll.value > 0 else 'lower (better)'}"
    else:
        second = "no difference in NLL is shown"
    accuracy = "differ" if pair.holm_p < _ALPHA else "are not shown to differ"
    count = len(pair.seeds)
    seeds = (
        "one seed: other seeds may say otherwise"
        if count == 1
        else f"mean of {count} seeds; the intervals are over test rows, not over further seeds"
    )
    return (
        f"{first} ({_signed(f1)}); {second} ({_signed(nll)}). "
        f"The accuracies {accuracy} (McNemar p = {pair.p:.3g}, {pair.holm_p:.3g} after Holm). n = {pair.n:,} rows; {seeds}."
        + (f" Their budgets differ ({', '.join(pair.unequal)}), so what is shown is not the method's alone." if pair.unequal else "")
    )


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.4f}, 95 % CI {interval.low:+.4f} to {interval.high:+.4f}"


def _outcomes(by_seed: Mapping[int, Evaluation], set_name: str, bins: int) -> dict[int, Outcome]:
    outcomes = {}
    for seed, run in by_seed.items():
        if set_name not in run.sets:
            raise ArtifactError(
                "The set to compare on is not a named test set.",
                where="params.yaml: evaluation.compare_set",
                found=set_name,
                expected=f"one of {sorted(run.sets)}",
            )
        mask = run.sets[set_name]
        outcomes[seed] = outcome_of(run.test.eval[mask], run.test.labels[mask], bins)
    return outcomes


def _check_same_rows(runs: Mapping[str, Mapping[int, Evaluation]], set_name: str) -> None:
    first_method = next(iter(runs), None)
    if first_method is None or not runs[first_method]:
        raise ArtifactError("There is no run to compare.", where="params.yaml: student.methods, student.seeds")
    first = next(iter(runs[first_method].values()))
    for method, by_seed in runs.items():
        if set(by_seed) != set(runs[first_method]):
            raise ArtifactError("Methods have different seeds.", where=method, found=sorted(by_seed), expected=sorted(runs[first_method]))
        for run in by_seed.values():
            same = run.test.rows_sha256 == first.test.rows_sha256 and run.test.sample_ids == first.test.sample_ids
            if not same or not np.array_equal(run.sets[set_name], first.sets[set_name]):
                raise ArtifactError(
                    "Runs were evaluated on different test rows.",
                    where=run.key,
                    found=run.test.rows_sha256,
                    expected=first.test.rows_sha256,
                )


def _seed_pair(seed: int, a: Outcome, b: Outcome) -> SeedPair:
    right_a, right_b = a.predictions == a.labels, b.predictions == b.labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return SeedPair(seed, only_a, only_b, int((a.predictions != b.predictions).sum()), exact_mcnemar(only_a, only_b))
