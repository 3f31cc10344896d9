"""Which calibration an exported file carries, and what the chosen one would gain, in words for
report and card.

Every file carries a temperature. The other methods are measured, and may be chosen, but not
exported: a bias or a scale for each class may change the predicted class, so that no score that was
measured on the network would be the file's; and a temperature of each data set asks where a face
comes from, which a picture from a camera does not say.
"""

from collections.abc import Mapping
from typing import Any

from fer_core.evaluation.calibration.report import Calibration

__all__ = ["carried_words"]

_WHY_NOT = {
    "bias_corrected": "its bias of each class may change the predicted class, and the scores are "
    "of the network's own",
    "vector": "its scale and bias of each class may change the predicted class, and the scores are "
    "of the network's own",
    "per_source": "it asks for the data set of a face, which a picture from a camera does not have",
}


def carried_words(calibration: Calibration, measured: Mapping[str, Any], set_name: str) -> str:
    """A sentence or two.

    Args:
        calibration: of the exported network.
        measured: of one set, as `read_reliability_metrics` gives it.
        set_name: of that set.
    """
    chosen = calibration.choice.chosen
    carries = f"The exported files carry one temperature, {calibration.temperature:.4g}"
    if chosen == "temperature":
        return f"{carries}, which is also what cross-validation on calib rows chose."
    before, after = (measured[stage]["metrics"] for stage in ("temperature_scaled", chosen))
    moves = []
    for name, title in (("nll", "NLL"), ("ece", "ECE")):
        now, then = before[name]["value"], after[name]
        moves.append(
            f"{title} from {now:.3f} to {then['value']:.3f} (95 % CI {then['low']:.3f} to "
            f"{then['high']:.3f})"
        )
    return (
        f"{carries}. Cross-validation on calib rows chose {chosen.replace('_', ' ')} instead, "
        f"which is not exported: {_WHY_NOT[chosen]}. "
        f"On {set_name} it would take {' and '.join(moves)}."
    )
