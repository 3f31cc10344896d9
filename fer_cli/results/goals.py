"""The goals that distillation was given, each met or not by the numbers of a run: a better macro-F1
than plain cross-entropy's, and calibrated probabilities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_cli.results.tables import markdown_table
from fer_core.evaluation.metrics.reliability import read_reliability_metrics

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GAIN", "HIGHEST_ECE", "goals"]

GAIN = 0.01
"""Macro-F1 that the best method should be above ce."""
HIGHEST_ECE = 0.025
"""ECE after temperature scaling that a method should not exceed."""
_BASELINE = "ce"
_CALIBRATIONS = Path("data/calibration")
_SLACK = 1e-9


def goals(
    runs: Mapping[str, Sequence[str]], val_f1: Mapping[str, float], pairs: "pd.DataFrame", name: str
) -> str:
    """Sentences on both goals and the numbers behind them, as Markdown.

    Args:
        runs: method -> keys of its runs.
        val_f1: method -> mean val macro-F1; the best method is the one with the greatest, for test
            rows choose nothing.
        pairs: of `metrics/comparison.csv`.
        name: of the test set.
    """
    others = [method for method in runs if method != _BASELINE]
    gains = {method: gain for method in others if (gain := _gain(pairs, method, name)) is not None}
    errors = {method: _calibration_error(keys, name) for method, keys in runs.items()}
    best = max(others, key=lambda method: val_f1[method], default=None)
    rows = []
    for method in runs:
        gain = gains.get(method)
        delta = "–" if gain is None else f"{gain[0]:+.4f} ({gain[1]:+.4f} to {gain[2]:+.4f})"
        ece, floor = errors[method]
        reached = "–" if gain is None else _words(_is_gain(gain))
        rows.append(
            [
                method,
                f"{val_f1[method]:.3f}",
                delta,
                reached,
                f"{ece:.4f}",
                _words(ece <= HIGHEST_ECE + _SLACK),
                f"{floor:.4f}",
            ]
        )
    head = [
        "method",
        "val macro-F1",
        f"ΔF1 to {_BASELINE} (95 % CI)",
        f"≥ {GAIN:.3f}, CI above 0",
        "ECE scaled",
        f"≤ {HIGHEST_ECE}",
    ]
    return "\n\n".join(
        [
            f"- {_first(best, gains, name)}\n- {_second(errors)}",
            markdown_table([*head, "ECE of a perfectly calibrated model"], rows),
            f"On {name}; ECE is the mean over seeds after temperature scaling, and beside it what "
            "a model with these very probabilities "
            "would show on so few rows if each were right as often as it says.",
        ]
    )


def _first(best: str | None, gains: Mapping[str, tuple[float, float, float]], name: str) -> str:
    goal = f"**Best method at least {_BASELINE} + {GAIN:.3f} macro-F1 with a paired 95 % interval above 0**"
    if best is None or best not in gains:
        return f"{goal}: cannot be judged, no method is compared with {_BASELINE} on {name}."
    value, low, high = gains[best]
    words = f"{best}, which val rows prefer, is {value:+.4f} ({low:+.4f} to {high:+.4f})"
    return f"{goal}: **{_words(_is_gain(gains[best]))}**; {words}."


def _second(errors: Mapping[str, tuple[float, float]]) -> str:
    within = [method for method, (ece, _) in errors.items() if ece <= HIGHEST_ECE + _SLACK]
    met = (
        "met"
        if len(within) == len(errors)
        else f"met by {', '.join(within)} only"
        if within
        else "not met"
    )
    return f"**ECE after temperature scaling at most {HIGHEST_ECE}**: **{met}**."


def _gain(pairs: "pd.DataFrame", method: str, name: str) -> tuple[float, float, float] | None:
    """ΔF1 of a method to the baseline with its interval; None where the pair is not compared on the
    set.
    """
    for pair in pairs[pairs["set"] == name].dropna(subset=["delta_macro_f1"]).to_dict("records"):
        found = (
            float(pair["delta_macro_f1"]),
            float(pair["delta_macro_f1_low"]),
            float(pair["delta_macro_f1_high"]),
        )
        if (pair["a"], pair["b"]) == (method, _BASELINE):
            return found
        if (pair["a"], pair["b"]) == (_BASELINE, method):
            return -found[0], -found[2], -found[1]
    return None


def _is_gain(gain: tuple[float, float, float]) -> bool:
    return gain[0] >= GAIN - _SLACK and gain[1] > 0


def _calibration_error(keys: Sequence[str], name: str) -> tuple[float, float]:
    """ECE after temperature scaling and the mean of its floor, both means over the runs."""
    found: list[dict[str, Any]] = [
        read_reliability_metrics(_CALIBRATIONS / key)[name] for key in keys
    ]
    errors = [one["temperature_scaled"]["metrics"]["ece"]["value"] for one in found]
    return sum(errors) / len(errors), sum(one["ece_floor"]["mean"] for one in found) / len(found)


def _words(met: bool) -> str:
    return "met" if met else "not met"
