"""Comparing training methods on named test sets, row by row.

A method is its runs, one a seed. Differences are of the mean over seeds; their intervals are over
the choice of test clusters (rows that one picture or group connects), and beside them are the
difference of each seed and an interval that allows for other seeds too. Two methods are compared
only if, seed by seed, they were given the same budget (initial weights, rows, steps, batch, …) and
plain cross-entropy had no fewer trials of its settings, else the pair is refused; unless params
allow it, and then the words say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.evaluation.comparison.fairness import budget_differences, fewer_trials
from fer_core.evaluation.comparison.pairs import (
    Conditions,
    Difference,
    MethodPair,
    Refusal,
    SeedPair,
)
from fer_core.evaluation.comparison.significance import (
    cluster_leads,
    holm,
    macro_f1_p,
    median_p,
    sign_flip_p,
)
from fer_core.evaluation.metrics.bootstrap import paired_differences
from fer_core.evaluation.metrics.metrics import Outcome, measure, outcome_of
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import Evaluation

__all__ = ["compare_methods"]

_RAW = ("macro_f1", "accuracy", "nll")


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
            unequal += [("", text) for text in fewer_trials(a, b, conditions.trials)]
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
