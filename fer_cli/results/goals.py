"""The goals that distillation was given, each met or not by the numbers of a run: a better macro-F1
than plain cross-entropy's, and calibrated probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_core.report.facts.collect import RunFacts

__all__ = ["BASELINE", "GAIN", "HIGHEST_ECE", "Goals", "MethodGoals", "goals", "val_mean"]

BASELINE = "ce"
"""The method that others are to beat."""
GAIN = 0.01
"""Macro-F1 that the best method should be above the baseline."""
HIGHEST_ECE = 0.025
"""ECE after temperature scaling that a method should not exceed."""
_SLACK = 1e-9


@dataclass(frozen=True)
class MethodGoals:
    """One method's numbers.

    Attributes:
        val_f1: mean val macro-F1 over seeds.
        delta: macro-F1 minus the baseline's, `value`, `low`, `high`; None where it is not compared.
        ece, floor: means over seeds of the ECE after temperature scaling, and of what a perfectly
            calibrated model would show.
    """

    val_f1: float
    delta: dict[str, float] | None
    ece: float
    floor: float

    @property
    def is_gain(self) -> bool:
        """Whether the first goal is met."""
        return (
            self.delta is not None
            and self.delta["value"] >= GAIN - _SLACK
            and self.delta["low"] > 0
        )

    @property
    def is_calibrated(self) -> bool:
        """Whether the second goal is met."""
        return self.ece <= HIGHEST_ECE + _SLACK


@dataclass(frozen=True)
class Goals:
    """Both goals on one set.

    Attributes:
        set: named test set.
        rows: method -> its numbers.
        best: the method that val rows prefer, for test rows choose nothing; None where it is not
            compared with the baseline.
    """

    set: str
    rows: dict[str, MethodGoals]
    best: str | None


def goals(facts: "RunFacts", set_name: str) -> Goals:
    """Both goals on a named test set."""
    rows = {}
    for method in facts.scope.methods:
        found = [facts.models[key].reliability[set_name] for key in facts.scope.runs(method)]
        rows[method] = MethodGoals(
            val_f1=val_mean(facts, method, "macro_f1"),
            delta=_delta(facts, method, set_name),
            ece=_mean([one["temperature_scaled"]["metrics"]["ece"]["value"] for one in found]),
            floor=_mean([one["ece_floor"]["mean"] for one in found]),
        )
    others = [method for method in rows if method != BASELINE]
    best = max(others, key=lambda method: rows[method].val_f1, default=None)
    if best is not None and rows[best].delta is None:
        best = None
    return Goals(set_name, rows, best)


def val_mean(facts: "RunFacts", method: str, metric: str) -> float:
    """A metric of val rows, its mean over a method's seeds."""
    runs = [facts.models[key].evaluation for key in facts.scope.runs(method)]
    return _mean([run.metrics["val"]["metrics"][metric]["value"] for run in runs])


def _delta(facts: "RunFacts", method: str, set_name: str) -> dict[str, float] | None:
    for pair in facts.comparison["pairs"]:
        if pair["set"] == set_name and (found := pair["delta_macro_f1"]):
            if (pair["a"], pair["b"]) == (method, BASELINE):
                return {end: found[end] for end in ("value", "low", "high")}
            if (pair["a"], pair["b"]) == (BASELINE, method):
                return {"value": -found["value"], "low": -found["high"], "high": -found["low"]}
    return None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
