"""Which calibration an exported file carries, why, and what it changes, in words for report and
card.

A file carries what cross-validation on calib rows chose, unless that asks for the data set of a
face, which a picture from a camera does not have, or `deploy.calibration` holds it to a
temperature.
A bias or a scale of each class may change the predicted class: the scores of the file are then
those of its own answers.
"""

from collections.abc import Mapping
from typing import Any

from fer_core.evaluation.calibration.report import Calibration
from fer_core.evaluation.metrics.options import Method

__all__ = ["by_class_words", "carried_words"]

_TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "minority_f1": "minority-F1",
    "nll": "NLL",
    "ece": "ECE",
}
_OF_CONFIDENCE = ("nll", "ece")
"""What a temperature changes."""
_BY_CLASS: dict[Method, str] = {
    "bias_corrected": "a temperature and a bias of each class",
    "vector": "a scale and a bias of each class",
}


def by_class_words(calibration: Calibration) -> str | None:
    """What a file that may change the predicted class carries; None where it carries a
    temperature.
    """
    return _BY_CLASS.get(calibration.carries)


def carried_words(
    calibration: Calibration, measured: Mapping[str, Mapping[str, Any]], set_name: str
) -> str:
    """A few sentences.

    Args:
        calibration: of the exported network.
        measured: set -> what each method does there, as `read_reliability_metrics` gives it.
        set_name: test set on which a choice that is not carried is measured.
    """
    chosen, by_class = calibration.choice.chosen, by_class_words(calibration)
    on_val, names = measured["val"], tuple(_TITLES) if by_class else _OF_CONFIDENCE
    effect = (
        f"On {on_val['rows']:,} val rows, to which it was not fitted, it takes "
        f"{_moves(on_val['raw'], on_val[calibration.measured_as], names)}."
    )
    if by_class:
        return (
            f"The exported files carry {by_class}, which cross-validation on calib rows chose. The "
            f"predicted class may be another than the network's own. {effect}"
        )
    carries = f"The exported files carry one temperature, {calibration.temperature:.4g}"
    if chosen == "temperature":
        return f"{carries}, which is also what cross-validation on calib rows chose. {effect}"
    why_not = (
        "it asks for the data set of a face, which a picture from a camera does not have"
        if chosen == "per_source"
        else "deploy.calibration holds the files to a temperature"
    )
    found = measured[set_name]
    return (
        f"{carries}. Cross-validation on calib rows chose {chosen.replace('_', ' ')} instead, "
        f"which is not exported: {why_not}. {effect} On {set_name} the chosen one would take "
        f"{_moves(found['temperature_scaled'], found[chosen], _OF_CONFIDENCE, interval=True)}."
    )


def _moves(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: tuple[str, ...],
    interval: bool = False,
) -> str:
    moves = []
    for name in names:
        now, then = before["metrics"][name]["value"], after["metrics"][name]
        sure = f" (95 % CI {then['low']:.3f} to {then['high']:.3f})" if interval else ""
        moves.append(f"{_TITLES[name]} from {now:.3f} to {then['value']:.3f}{sure}")
    return f"{', '.join(moves[:-1])} and {moves[-1]}"
