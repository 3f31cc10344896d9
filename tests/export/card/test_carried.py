"""What is said of the calibration that an exported file carries."""

from dataclasses import replace

from fer_core.evaluation.calibration.choice import CalibrationChoice
from fer_core.evaluation.calibration.report import Calibration
from fer_core.export.card.carried import carried_words

CALIBRATION = Calibration(
    "kd-1", 1.5, 100, 1.0, 0.9, "r", "m", CalibrationChoice("temperature", 5, {}, {})
)


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


MEASURED = {
    "temperature_scaled": {"metrics": {"nll": interval(0.8), "ece": interval(0.05)}},
    "vector": {"metrics": {"nll": interval(0.75), "ece": interval(0.03)}},
    "per_source": {"metrics": {"nll": interval(0.77), "ece": interval(0.04)}},
}


def test_chosen_temperature_is_what_files_carry() -> None:
    assert carried_words(CALIBRATION, MEASURED, "everything") == (
        "The exported files carry one temperature, 1.5, which is also what cross-validation on "
        "calib rows chose."
    )


def test_another_choice_is_named_with_the_reason_and_what_it_would_gain() -> None:
    vector = carried_words(
        replace(CALIBRATION, choice=replace(CALIBRATION.choice, chosen="vector")),
        MEASURED,
        "everything",
    )
    assert (
        "chose vector instead, which is not exported: its scale and bias of each class may change "
        "the predicted class" in vector
    )
    assert (
        "On everything it would take NLL from 0.800 to 0.750 (95 % CI 0.740 to 0.760) and ECE from "
        "0.050 to 0.030" in vector
    )
    source = carried_words(
        replace(CALIBRATION, choice=replace(CALIBRATION.choice, chosen="per_source")),
        MEASURED,
        "everything",
    )
    assert (
        "chose per source instead" in source and "a picture from a camera does not have" in source
    )
