"""Acceptance gates: may a candidate take a baseline's place? Judged on the very same test rows, set
by set.

The rules are those recorded for the original system (regression and target gates of its evaluation
suite, acceptance rules of its auxiliary losses). A gate decides on the measured difference; the
paired 95 % interval beside it says how sure that is. A limit is met by a difference that equals it,
whatever the last bits of .59 − .60 are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.evaluation.calibration.calibration import short_temperature
from fer_core.evaluation.calibration.calibrators import Calibrator, Temperature
from fer_core.evaluation.metrics.bootstrap import Interval, paired_differences
from fer_core.evaluation.metrics.metrics import Outcome, measure, outcome_of
from fer_core.evaluation.metrics.record import Evaluation

__all__ = [
    "GATES",
    "GateResult",
    "Rule",
    "SetComparison",
    "compare_sets",
    "fitted_temperature",
    "judge",
]

_SLACK = 1e-9
_NAMES = ("macro_f1", "minority_f1", "nll", "ece")
_AS_THEY_ARE = Temperature(1.0)


@dataclass(frozen=True)
class SetComparison:
    """A candidate against a baseline on one named test set.

    Attributes:
        name: of the set.
        rows: of the set.
        baseline: macro_f1, minority_f1 (mean of the three lowest F1 of the classes present), nll
            and ece of the baseline.
        difference: candidate minus baseline of each, with paired bootstrap intervals.
    """

    name: str
    rows: int
    baseline: dict[str, float]
    difference: dict[str, Interval]

    def change(self, metric: str) -> float:
        """Candidate minus baseline."""
        return self.difference[metric].value

    def share(self, metric: str) -> float:
        """That change as a share of the baseline's value; 0 where that is 0."""
        return self.change(metric) / self.baseline[metric] if self.baseline[metric] else 0.0


@dataclass(frozen=True)
class Rule:
    """What a set must meet.

    Attributes:
        words: the rule for a reader.
        metrics: that it is judged by.
        holds: whether a set meets it.
        as_share: a change is also told as a share of the baseline's value.
    """

    words: str
    metrics: tuple[str, ...]
    holds: Callable[[SetComparison], bool]
    as_share: bool = False

    def numbers(self, seen: SetComparison) -> str:
        """What a set was judged by."""
        return "; ".join(_change(seen, metric, self.as_share) for metric in self.metrics)


def _at_least(words: str, metric: str, least: float) -> Rule:
    """The change of a metric is no less than `least`."""
    return Rule(words, (metric,), lambda seen: seen.change(metric) >= least - _SLACK)


def _is_better_calibrated(seen: SetComparison) -> bool:
    return seen.share("ece") <= -0.2 + _SLACK or seen.share("nll") <= -0.1 + _SLACK


def _is_better_in_one(seen: SetComparison) -> bool:
    """Calibration or macro-F1 improves, and the other one hardly suffers."""
    calibrated = min(seen.change("ece"), seen.change("nll")) < -_SLACK
    kept_f1 = seen.change("macro_f1") >= -0.01 - _SLACK
    kept_ece = seen.change("ece") <= 0.005 + _SLACK
    return (kept_f1 and calibrated) or (kept_ece and seen.change("macro_f1") > _SLACK)


GATES: dict[str, tuple[Rule, ...]] = {
    "regression": (
        _at_least("macro-F1 falls by at most 0.01", "macro_f1", -0.01),
        _at_least("minority-F1 falls by at most 0.02", "minority_f1", -0.02),
    ),
    "target": (
        _at_least("minority-F1 rises by at least 0.01", "minority_f1", 0.01),
        _at_least("macro-F1 falls by at most 0.01", "macro_f1", -0.01),
    ),
    "negl": (
        Rule(
            "ECE falls by at least 20 % or NLL by at least 10 %",
            ("ece", "nll"),
            _is_better_calibrated,
            as_share=True,
        ),
    ),
    "nl": (_at_least("minority-F1 does not fall", "minority_f1", 0.0),),
    "combined": (
        Rule(
            "macro-F1 falls by at most 0.01 and ECE or NLL falls, or macro-F1 rises and ECE rises "
            "by at most 0.005",
            ("macro_f1", "ece", "nll"),
            _is_better_in_one,
        ),
    ),
}
"""Gate name -> its rules; a gate passes where every rule holds on every set. The record of
`combined` asks for a "stable" ECE and gives no number: 0.005 is half of what macro-F1 may fall."""


@dataclass(frozen=True)
class GateResult:
    """What a gate says.

    Attributes:
        gate: its name.
        passed: whether every rule holds on every set.
        findings: for each set and rule: (set, rule in words, holds, numbers in words).
    """

    gate: str
    passed: bool
    findings: tuple[tuple[str, str, bool, str], ...]


def fitted_temperature(model: Evaluation) -> float:
    """The temperature that calibrates a model, as the stage `calibrate` fits it: on the calib rows
    of the evaluation.
    """
    rows = model.dev.rows_of("calib")
    return short_temperature(model.dev.eval[rows], model.dev.labels[rows], where=model.key)


def compare_sets(
    candidate: Evaluation,
    baseline: Evaluation,
    sets: Sequence[str] | None,
    bins: int,
    resamples: int,
    seed: int,
    calibrators: tuple[Calibrator, Calibrator] = (_AS_THEY_ARE, _AS_THEY_ARE),
) -> list[SetComparison]:
    """Measure both models on the named test sets they share.

    Args:
        candidate, baseline: evaluations of the same test rows.
        sets: names; None means all that both have.
        bins: confidence bins of ece.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        calibrators: of the candidate and of the baseline, that make the answers that are measured
            of their logits.

    Raises:
        ArtifactError: other test rows, no shared set, or a set that one of them lacks.
    """
    if candidate.test.sample_ids != baseline.test.sample_ids:
        raise ArtifactError(
            "The two models were evaluated on different test rows.",
            where=f"{candidate.key} and {baseline.key}",
            found=f"{len(candidate.test)} and {len(baseline.test)} rows, hashes "
            f"{candidate.test.rows_sha256[:12]} and "
            f"{baseline.test.rows_sha256[:12]}",
            remedy="evaluate both on the same pack",
        )
    shared = [name for name in candidate.sets if name in baseline.sets]
    if unknown := [name for name in sets or () if name not in shared]:
        raise ArtifactError(
            "Not both models were evaluated on a set.", found=unknown, expected=shared
        )
    if not shared:
        raise ArtifactError(
            "The two models share no named test set.",
            found=list(candidate.sets),
            expected=list(baseline.sets),
        )
    compared = []
    for name in sets or shared:
        if (candidate.sets[name] != baseline.sets[name]).any():
            raise ArtifactError(
                "A set has other rows in the two evaluations.",
                where=name,
                remedy="evaluate both with the same params",
            )
        a, b = (
            _outcome(model, name, bins, how)
            for model, how in zip((candidate, baseline), calibrators, strict=True)
        )
        differences = paired_differences(
            [a], [b], _NAMES, resamples, seed, candidate.clusters(name)
        )
        compared.append(SetComparison(name, len(a), measure(b, names=_NAMES), differences))
    return compared


def judge(gate: str, compared: Sequence[SetComparison]) -> GateResult:
    """What a gate says of a comparison.

    Raises:
        ParamsError: no gate of that name.
    """
    if gate not in GATES:
        raise ParamsError(
            "There is no such gate.",
            where="--gate",
            found=gate,
            expected=", ".join(GATES),
            remedy="name one of them",
        )
    findings = tuple(
        (seen.name, rule.words, rule.holds(seen), rule.numbers(seen))
        for seen in compared
        for rule in GATES[gate]
    )
    return GateResult(gate, all(holds for _, _, holds, _ in findings), findings)


def _outcome(model: Evaluation, name: str, bins: int, calibrator: Calibrator) -> Outcome:
    mask = model.sets[name]
    return outcome_of(calibrator.apply(model.test.eval[mask]), model.test.labels[mask], bins)


def _change(seen: SetComparison, metric: str, as_share: bool) -> str:
    change = seen.difference[metric]
    share = f", {100 * seen.share(metric):+.1f} %" if as_share else ""
    return (
        f"{metric} {change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f}) from "
        f"{seen.baseline[metric]:.4f}{share}"
    )
