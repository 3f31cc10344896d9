"""Comparing training methods on named test sets, row by row.

A method is its runs, one a seed. Differences are of the mean over seeds; their intervals are over
the choice of test clusters (rows that one picture or group connects), and beside them are the
difference of each seed and an interval that allows for other seeds too. Two methods are compared
only if, seed by seed, they were given the same budget (initial weights, rows, steps, batch, …) and
plain cross-entropy had no fewer trials of its settings, else the pair is refused; unless params
allow it, and then the words say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.comparison.significance import (
    cluster_leads,
    holm,
    macro_f1_p,
    median_p,
    over_seeds,
    sign_flip_p,
)
from fer_core.evaluation.metrics.bootstrap import Interval, paired_differences
from fer_core.evaluation.metrics.metrics import Outcome, measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation

__all__ = [
    "DIFFERENCES",
    "Conditions",
    "Difference",
    "MethodPair",
    "Refusal",
    "SeedPair",
    "budget_differences",
    "compare_methods",
]

DIFFERENCES = ("macro_f1", "accuracy", "nll", "nll_scaled")
"""What methods are compared in; nll_scaled is the NLL after temperature scaling."""
_BASELINE = "ce"
_RAW = ("macro_f1", "accuracy", "nll")


@dataclass(frozen=True)
class Conditions:
    """What is known of the runs besides their answers.

    Attributes:
        temperatures: run's key -> temperature fitted on calib rows.
        trials: method -> how many settings of it were tried on val rows; empty where nothing is
            recorded.
        rising: method -> words on its val curve, for those whose curve still rose when training
            ended.
    """

    temperatures: Mapping[str, float]
    trials: Mapping[str, int] = field(default_factory=dict)
    rising: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """How far a is ahead of b in one metric.

    Attributes:
        over_rows: difference of the mean over seeds, with its 95 % interval over the choice of test
            clusters.
        by_seed: of each seed.
        over_seeds: the same difference with an interval over clusters and seeds; None for one seed.
    """

    over_rows: Interval
    by_seed: tuple[float, ...]

    @property
    def over_seeds(self) -> Interval | None:
        """Interval over clusters and seeds; None for one seed."""
        return over_seeds(self.over_rows, self.by_seed)


@dataclass(frozen=True)
class SeedPair:
    """Two runs of one seed on the same rows.

    Attributes:
        seed: of both.
        only_a, only_b: clusters of which a, b classifies more rows right than the other.
        disagree: rows on which the predictions differ.
        p: of no difference in accuracy (`sign_flip_p`).
    """

    seed: int
    only_a: int
    only_b: int
    disagree: int
    p: float


@dataclass(frozen=True)
class MethodPair:
    """Method a against method b on one set.

    Attributes:
        set_name: the test set.
        a, b: methods; differences are a − b.
        n: test rows.
        clusters: distinct clusters among them.
        differences: of each of `DIFFERENCES`.
        seeds: the runs in pairs.
        p: of no difference in accuracy, all seeds together (`median_p`).
        holm_p: adjusted for all pairs compared, on all sets.
        macro_f1_p: of no difference in macro-F1 (`significance.macro_f1_p`).
        macro_f1_holm_p: adjusted for the same pairs.
        family: how many these are.
        unequal: what their budgets differ in, by name; empty where they are equal.
        trials: settings tried of a and of b; None where that is not recorded.
        rising: words on the val curves of a and b that still rose when training ended.
    """

    set_name: str
    a: str
    b: str
    n: int
    clusters: int
    differences: Mapping[str, Difference]
    seeds: tuple[SeedPair, ...]
    p: float
    holm_p: float
    macro_f1_p: float
    macro_f1_holm_p: float
    family: int = 1
    unequal: tuple[str, ...] = ()
    trials: tuple[int, int] | None = None
    rising: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether a difference in macro-F1 is shown, all comparisons allowed for: its interval
        excludes 0 and Holm's p is below 0.05.
        """
        return self.differences["macro_f1"].over_rows.excludes_zero and self.macro_f1_holm_p < 0.05


@dataclass(frozen=True)
class Refusal:
    """A pair that is not compared, and why, in words."""

    a: str
    b: str
    reasons: tuple[str, ...]


def budget_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What two budgets differ in, in words; empty where they are equal. A run that recorded none is
    equal to nothing.

    What is under `tuned` may differ: every method has its own learning rate, found on val rows.
    """
    if not a or not b:
        return ["a run has no recorded budget"]
    a, b = _flat(a), _flat(b)
    return [
        f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}"
        for name in sorted(set(a) | set(b))
        if name.partition(".")[0] != "tuned"
        and (a.get(name) != b.get(name) or (name in a) != (name in b))
    ]


def _flat(budget: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of mappings by dotted names, so that only what differs is told."""
    found: dict[str, Any] = {}
    for name, value in budget.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{key}": one for key, one in _flat(value).items()}
        else:
            found[name] = value
    return found


def compare_methods(
    runs: Mapping[str, Mapping[int, Evaluation]],
    options: EvaluationOptions,
    conditions: Conditions,
    seed: int,
) -> tuple[list[MethodPair], list[Refusal]]:
    """Compare every two methods on every set of `evaluation.compare_set`; of a pair, the method
    listed later is `a`.

    Args:
        runs: method -> seed -> evaluation.
        options: section `evaluation`.
        conditions: of the runs.
        seed: of the bootstrap.

    Returns:
        The pairs, set by set, and what is compared on no set.

    Raises:
        ArtifactError: an unknown set, methods with different seeds, or runs evaluated on different
            test rows.
    """
    _check_same_rows(runs, options.compare_sets)
    methods = list(runs)
    refused: list[Refusal] = []
    allowed: list[tuple[str, str, tuple[str, ...]]] = []
    for i, b in enumerate(methods):
        for a in methods[i + 1 :]:
            unequal = [
                (f"seed {s}: ", text)
                for s in runs[a]
                for text in budget_differences(runs[a][s].budget, runs[b][s].budget)
            ]
            unequal += [("", text) for text in _fewer_trials(a, b, conditions.trials)]
            if unequal and not options.allow_unequal_budgets:
                refused.append(Refusal(a, b, tuple(where + text for where, text in unequal)))
            else:
                allowed.append(
                    (a, b, tuple(sorted({text.partition(":")[0] for _, text in unequal})))
                )
    measured = [
        pair
        for name in options.compare_sets
        for pair in _measure_set(runs, name, allowed, options, conditions, seed)
    ]
    pairs = [
        replace(pair, holm_p=of_accuracy, macro_f1_holm_p=of_macro_f1, family=len(measured))
        for pair, of_accuracy, of_macro_f1 in zip(
            measured,
            holm([pair.p for pair in measured]),
            holm([pair.macro_f1_p for pair in measured]),
            strict=True,
        )
    ]
    return pairs, refused


def _measure_set(
    runs: Mapping[str, Mapping[int, Evaluation]],
    name: str,
    allowed: Sequence[tuple[str, str, tuple[str, ...]]],
    options: EvaluationOptions,
    conditions: Conditions,
    seed: int,
) -> list[MethodPair]:
    """The pairs allowed on one set, before their p-values are adjusted."""
    raw: dict[str, dict[int, Outcome]] = {}
    scaled: dict[str, dict[int, Outcome]] = {}
    for method in dict.fromkeys(method for a, b, _ in allowed for method in (b, a)):
        raw[method], scaled[method] = {}, {}
        for s, run in runs[method].items():
            logits, labels = run.test.eval[run.sets[name]], run.test.labels[run.sets[name]]
            raw[method][s] = outcome_of(logits, labels, options.bins)
            scaled[method][s] = outcome_of(
                logits, labels, options.bins, conditions.temperatures[run.key]
            )
    clusters = next(iter(next(iter(runs.values())).values())).clusters(name)
    found = []
    for a, b, unequal in allowed:
        differences = _differences(raw[a], raw[b], _RAW, options, seed, clusters)
        differences["nll_scaled"] = _differences(
            scaled[a], scaled[b], ("nll",), options, seed, clusters
        )["nll"]
        seeds = tuple(_seed_pair(s, raw[a][s], raw[b][s], clusters) for s in raw[a])
        p = median_p([pair.p for pair in seeds])
        of_f1 = macro_f1_p([*raw[a].values()], [raw[b][s] for s in raw[a]], clusters, seed)
        trials = conditions.trials
        found.append(
            MethodPair(
                set_name=name,
                a=a,
                b=b,
                n=len(clusters),
                clusters=len(np.unique(clusters)),
                differences=differences,
                seeds=seeds,
                p=p,
                holm_p=p,
                macro_f1_p=of_f1,
                macro_f1_holm_p=of_f1,
                unequal=unequal,
                trials=(trials.get(a, 0), trials.get(b, 0)) if trials else None,
                rising=tuple(
                    conditions.rising[method] for method in (b, a) if method in conditions.rising
                ),
            )
        )
    return found


def _differences(
    a: Mapping[int, Outcome],
    b: Mapping[int, Outcome],
    names: Sequence[str],
    options: EvaluationOptions,
    seed: int,
    clusters: np.ndarray,
) -> dict[str, Difference]:
    intervals = paired_differences(
        list(a.values()), [b[s] for s in a], names, options.bootstrap, seed, clusters
    )
    each = [(measure(a[s], names=names), measure(b[s], names=names)) for s in a]
    return {
        name: Difference(interval, tuple(of_a[name] - of_b[name] for of_a, of_b in each))
        for name, interval in intervals.items()
    }


def _seed_pair(seed: int, a: Outcome, b: Outcome, clusters: np.ndarray) -> SeedPair:
    leads = cluster_leads(a.predictions == a.labels, b.predictions == b.labels, clusters)
    return SeedPair(
        seed,
        int((leads > 0).sum()),
        int((leads < 0).sum()),
        int((a.predictions != b.predictions).sum()),
        sign_flip_p(leads),
    )


def _fewer_trials(a: str, b: str, trials: Mapping[str, int]) -> list[str]:
    """That plain cross-entropy had fewer trials than the other method, in words; nothing else is
    unfair to a baseline.
    """
    other = {a: b, b: a}.get(_BASELINE)
    if not trials or other is None or trials.get(_BASELINE, 0) >= trials.get(other, 0):
        return []
    return [
        f"trials of settings: {trials.get(_BASELINE, 0)} of {_BASELINE} and {trials.get(other, 0)} "
        f"of {other}"
    ]


def _check_same_rows(
    runs: Mapping[str, Mapping[int, Evaluation]], set_names: Sequence[str]
) -> None:
    first_method = next(iter(runs), None)
    if first_method is None or not runs[first_method]:
        raise ArtifactError(
            "There is no run to compare.", where="params.yaml: student.methods, student.seeds"
        )
    first = next(iter(runs[first_method].values()))
    for method, by_seed in runs.items():
        if set(by_seed) != set(runs[first_method]):
            raise ArtifactError(
                "Methods have different seeds.",
                where=method,
                found=sorted(by_seed),
                expected=sorted(runs[first_method]),
            )
        for run in by_seed.values():
            if unknown := [name for name in set_names if name not in run.sets]:
                raise ArtifactError(
                    "A set to compare on is not a named test set.",
                    where="params.yaml: evaluation.compare_set",
                    found=unknown,
                    expected=f"some of {sorted(run.sets)}",
                )
            same = (
                run.test.rows_sha256 == first.test.rows_sha256
                and run.test.sample_ids == first.test.sample_ids
            )
            if not same or any(
                not np.array_equal(run.sets[name], first.sets[name]) for name in set_names
            ):
                raise ArtifactError(
                    "Runs were evaluated on different test rows.",
                    where=run.key,
                    found=run.test.rows_sha256,
                    expected=first.test.rows_sha256,
                )
