"""Acceptance gates: may a candidate take a baseline's place? Judged on the very same test rows, set
by set.

The rules are those recorded for the original system (regression and target gates of its evaluation
suite, acceptance rules of its auxiliary losses). A gate decides on the measured difference; the
paired 95 % interval beside it says how sure that is. A limit is met by a difference that equals it,
whatever the last bits of .59 − .60 are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.evaluation.calibration.calibration import interior_temperature
from fer_core.evaluation.metrics.bootstrap import Interval, paired_differences
from fer_core.evaluation.metrics.metrics import Outcome, measure, outcome_of
from fer_core.evaluation.metrics.record import Evaluation

__all__ = [
    "GATES",
    "AtLeast",
    "AtMost",
    "CalibrationGain",
    "EitherOf",
    "Falls",
    "GateResult",
    "Rises",
    "SetComparison",
    "compare_sets",
    "fitted_temperature",
    "judge",
]

_SLACK = 1e-9
_NAMES = ("macro_f1", "minority_f1", "nll", "ece")


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
class AtLeast:
    """A rule: the change of a metric is no less than `least`."""

    words: str
    metric: str
    least: float

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return seen.change(self.metric) >= self.least - _SLACK

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by."""
        return _change(seen, self.metric)


@dataclass(frozen=True)
class AtMost:
    """A rule: the change of a metric is no more than `most`."""

    words: str
    metric: str
    most: float

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return seen.change(self.metric) <= self.most + _SLACK

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by."""
        return _change(seen, self.metric)


@dataclass(frozen=True)
class Rises:
    """A rule: a metric rises."""

    words: str
    metric: str

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return seen.change(self.metric) > _SLACK

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by."""
        return _change(seen, self.metric)


@dataclass(frozen=True)
class Falls:
    """A rule: at least one of these metrics falls."""

    words: str
    metrics: tuple[str, ...]

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return any(seen.change(metric) < -_SLACK for metric in self.metrics)

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by."""
        return "; ".join(_change(seen, metric) for metric in self.metrics)


@dataclass(frozen=True)
class CalibrationGain:
    """A rule: ECE or NLL falls by at least these shares of the baseline's."""

    words: str
    ece: float
    nll: float

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return seen.share("ece") <= -self.ece + _SLACK or seen.share("nll") <= -self.nll + _SLACK

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by."""
        return "; ".join(
            f"{_change(seen, metric)}, {100 * seen.share(metric):+.1f} %"
            for metric in ("ece", "nll")
        )


@dataclass(frozen=True)
class EitherOf:
    """A rule: all rules of one of these groups hold."""

    words: str
    groups: "tuple[tuple[Rule, ...], ...]"

    def holds(self, seen: SetComparison) -> bool:
        """Whether a set meets it."""
        return any(all(rule.holds(seen) for rule in group) for group in self.groups)

    def numbers(self, seen: SetComparison) -> str:
        """What it was judged by, each number once."""
        return "; ".join(
            dict.fromkeys(
                text
                for group in self.groups
                for rule in group
                for text in rule.numbers(seen).split("; ")
            )
        )


Rule = AtLeast | AtMost | Rises | Falls | CalibrationGain | EitherOf

GATES: dict[str, tuple[Rule, ...]] = {
    "regression": (
        AtLeast("macro-F1 falls by at most 0.01", "macro_f1", -0.01),
        AtLeast("minority-F1 falls by at most 0.02", "minority_f1", -0.02),
    ),
    "target": (
        AtLeast("minority-F1 rises by at least 0.01", "minority_f1", 0.01),
        AtLeast("macro-F1 falls by at most 0.01", "macro_f1", -0.01),
    ),
    "negl": (CalibrationGain("ECE falls by at least 20 % or NLL by at least 10 %", 0.2, 0.1),),
    "nl": (AtLeast("minority-F1 does not fall", "minority_f1", 0.0),),
    "combined": (
        EitherOf(
            "macro-F1 falls by at most 0.01 and ECE or NLL falls, or macro-F1 rises and ECE rises "
            "by at most 0.005",
            (
                (
                    AtLeast("macro-F1 falls by at most 0.01", "macro_f1", -0.01),
                    Falls("ECE or NLL falls", ("ece", "nll")),
                ),
                (
                    Rises("macro-F1 rises", "macro_f1"),
                    AtMost("ECE rises by at most 0.005", "ece", 0.005),
                ),
            ),
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

    Raises:
        Undetermined: no temperature does.
    """
    rows = model.dev.rows_of("calib")
    return float(
        f"{interior_temperature(model.dev.eval[rows], model.dev.labels[rows], where=model.key).temperature:.6g}"
    )


def compare_sets(
    candidate: Evaluation,
    baseline: Evaluation,
    sets: Sequence[str] | None,
    bins: int,
    resamples: int,
    seed: int,
    temperatures: tuple[float, float] = (1.0, 1.0),
) -> list[SetComparison]:
    """Measure both models on the named test sets they share.

    Args:
        candidate, baseline: evaluations of the same test rows.
        sets: names; None means all that both have.
        bins: confidence bins of ece.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        temperatures: of the candidate and of the baseline, that their logits are divided by for NLL
            and ECE.

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
            _outcome(model, name, bins, t)
            for model, t in zip((candidate, baseline), temperatures, strict=True)
        )
        differences = paired_differences(
            [a], [b], _NAMES, resamples, seed, candidate.pictures(name)
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


def _outcome(model: Evaluation, name: str, bins: int, temperature: float) -> Outcome:
    mask = model.sets[name]
    return outcome_of(model.test.eval[mask], model.test.labels[mask], bins, temperature)


def _change(seen: SetComparison, metric: str) -> str:
    change = seen.difference[metric]
    return (
        f"{metric} {change.value:+.4f} ({change.low:+.4f} to {change.high:+.4f}) from "
        f"{seen.baseline[metric]:.4f}"
    )
