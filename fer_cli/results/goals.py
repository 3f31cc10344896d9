"""The goals that distillation was given, each met or not by the numbers of a run: a better macro-F1
than that of every method without teachers, and calibrated probabilities."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_core.report.facts.collect import RunFacts

__all__ = ["ABOVE_FLOOR", "BASELINE", "GAIN", "Delta", "Goals", "MethodGoals", "goals", "val_mean"]

BASELINE = "ce"
"""The method that others are to beat, with every other one that has no teachers."""
GAIN = 0.01
"""Macro-F1 that the best method should be above each of them."""
ABOVE_FLOOR = 0.005
"""How far the ECE after calibration may be above that of a perfectly calibrated model."""
_SLACK = 1e-9
_ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class Delta:
    """Macro-F1 of a method minus another's, paired.

    Attributes:
        value, low, high: with its interval over test rows.
        over_seeds: ends of the interval that allows for other seeds, too; None with one seed.
    """

    value: float
    low: float
    high: float
    over_seeds: tuple[float, float] | None

    @property
    def is_gain(self) -> bool:
        """Whether it is enough, and shown, beyond these seeds where there are several."""
        lowest = min((self.low, *(self.over_seeds or ())))
        return self.value >= GAIN - _SLACK and lowest > 0


@dataclass(frozen=True)
class MethodGoals:
    """One method's numbers.

    Attributes:
        val_f1: mean val macro-F1 over seeds.
        delta: to the baseline; None where it is not compared with it.
        ece: mean over seeds of the ECE after calibration.
        floor: of what a perfectly calibrated model would show.
        debiased: the mean of ece less floor, and of the ends of its intervals.
    """

    val_f1: float
    delta: Delta | None
    ece: float
    floor: float
    debiased: dict[str, float]

    @property
    def is_calibrated(self) -> bool:
        """Whether the second goal is met."""
        return self.ece <= self.floor + ABOVE_FLOOR + _SLACK


@dataclass(frozen=True)
class Goals:
    """Both goals on one set.

    Attributes:
        set: named test set.
        rows: method -> its numbers.
        best: of the methods with teachers, the one that val rows prefer, for test rows choose
            nothing; None where there is none.
        ahead: method without teachers -> what `best` is ahead of it; None where they are not
            compared.
    """

    set: str
    rows: dict[str, MethodGoals]
    best: str | None
    ahead: dict[str, Delta | None]

    @property
    def judged(self) -> bool:
        """Whether the first goal can be judged."""
        return bool(self.ahead) and None not in self.ahead.values()

    @property
    def is_gain(self) -> bool:
        """Whether the first goal is met."""
        return self.judged and all(one is not None and one.is_gain for one in self.ahead.values())


def goals(facts: "RunFacts", set_name: str, taught: Collection[str]) -> Goals:
    """Both goals on a named test set.

    Args:
        facts: of the run.
        set_name: the set.
        taught: the methods with teachers.
    """
    rows = {}
    for method in facts.scope.methods:
        models = [facts.models[key] for key in facts.scope.runs(method)]
        found = [one.reliability[set_name][one.calibration.measured_as] for one in models]
        rows[method] = MethodGoals(
            val_f1=val_mean(facts, method, "macro_f1"),
            delta=_delta(facts, method, BASELINE, set_name),
            ece=_mean([one["metrics"]["ece"]["value"] for one in found]),
            floor=_mean([one["floor"]["ece"]["mean"] for one in found]),
            debiased={end: _mean([one["ece_debiased"][end] for one in found]) for end in _ENDS},
        )
    best = max(
        (method for method in rows if method in taught),
        key=lambda method: rows[method].val_f1,
        default=None,
    )
    alone = [method for method in rows if method not in taught]
    ahead = {} if best is None else {one: _delta(facts, best, one, set_name) for one in alone}
    return Goals(set_name, rows, best, ahead)


def val_mean(facts: "RunFacts", method: str, metric: str) -> float:
    """A metric of val rows, its mean over a method's seeds."""
    runs = [facts.models[key].evaluation for key in facts.scope.runs(method)]
    return _mean([run.metrics["val"]["metrics"][metric]["value"] for run in runs])


def _delta(facts: "RunFacts", method: str, other: str, set_name: str) -> Delta | None:
    for pair in facts.comparison["pairs"]:
        if pair["set"] == set_name and pair["delta_macro_f1"]:
            if (pair["a"], pair["b"]) == (method, other):
                return _of_pair(pair)
            if (pair["a"], pair["b"]) == (other, method):
                found = _of_pair(pair)
                seeds = found.over_seeds and (-found.over_seeds[1], -found.over_seeds[0])
                return Delta(-found.value, -found.high, -found.low, seeds)
    return None


def _of_pair(pair: Mapping[str, Any]) -> Delta:
    wider = pair["delta_macro_f1_over_seeds"]
    seeds = None if wider is None else (wider["low"], wider["high"])
    value, low, high = (pair["delta_macro_f1"][end] for end in _ENDS)
    return Delta(value, low, high, seeds)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
