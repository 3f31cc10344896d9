"""What is said of the calibration that an exported file carries."""

from typing import Any

from fer_core.evaluation.calibration.calibrators import (
    BiasCorrected,
    Calibrator,
    PerSource,
    Temperature,
    Vector,
)
from fer_core.evaluation.calibration.choice import CalibrationChoice, FittedMethod
from fer_core.evaluation.calibration.report import Calibration, carried_method
from fer_core.evaluation.metrics.options import Carry, Method
from fer_core.export.card.carried import by_class_words, carried_words

BIAS = (0.1, 0.2, -0.3, 0.0, 0.0, 0.1, -0.1)
FITTED: dict[Method, Calibrator] = {
    "temperature": Temperature(1.5),
    "bias_corrected": BiasCorrected(1.4, BIAS),
    "vector": Vector((0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1), BIAS),
    "per_source": PerSource(1.5, {"expw": 1.2}),
}


def calibration(chosen: Method, carry: Carry = "chosen") -> Calibration:
    methods = {name: FittedMethod(one, 1, 1, 0, 0, 0) for name, one in FITTED.items()}
    choice = CalibrationChoice(chosen, 5, methods, {})
    carries = carried_method(chosen, carry)
    return Calibration("kd-1", 1.5, 100, 1.0, 0.9, "r", "m", choice, carries)


def scores(f1: float, nll: float, ece: float) -> dict[str, Any]:
    values = dict.fromkeys(("accuracy", "macro_f1", "minority_f1"), f1) | {"nll": nll, "ece": ece}
    return {
        "metrics": {
            name: {"value": value, "low": value - 0.01, "high": value + 0.01}
            for name, value in values.items()
        }
    }


ON_A_SET = {
    "rows": 1200,
    "raw": scores(0.6, 0.9, 0.08),
    "temperature_scaled": scores(0.6, 0.8, 0.05),
    "bias_corrected": scores(0.62, 0.76, 0.035),
    "vector": scores(0.63, 0.75, 0.03),
    "per_source": scores(0.6, 0.77, 0.04),
}
MEASURED = {"val": ON_A_SET, "everything": ON_A_SET}
BY_TEMPERATURE = (
    "On 1,200 val rows, to which it was not fitted, it takes NLL from 0.900 to 0.800 and ECE from "
    "0.080 to 0.050."
)


def told(chosen: Method, carry: Carry = "chosen") -> str:
    return carried_words(calibration(chosen, carry), MEASURED, "everything")


def test_chosen_temperature_is_what_files_carry() -> None:
    assert by_class_words(calibration("temperature")) is None
    assert told("temperature") == (
        "The exported files carry one temperature, 1.5, which is also what cross-validation on "
        f"calib rows chose. {BY_TEMPERATURE}"
    )


def test_a_chosen_calibration_by_class_is_carried_and_may_change_the_answers() -> None:
    assert told("vector") == (
        "The exported files carry a scale and a bias of each class, which cross-validation on "
        "calib rows chose. The predicted class may be another than the network's own. On 1,200 "
        "val rows, to which it was not fitted, it takes accuracy from 0.600 to 0.630, macro-F1 "
        "from 0.600 to 0.630, minority-F1 from 0.600 to 0.630, NLL from 0.900 to 0.750 and ECE "
        "from 0.080 to 0.030."
    )
    assert "carry a temperature and a bias of each class, which" in told("bias_corrected")


def test_a_choice_that_is_not_carried_is_named_with_the_reason_and_what_it_would_gain() -> None:
    held = told("vector", "temperature")
    assert held == (
        "The exported files carry one temperature, 1.5. Cross-validation on calib rows chose "
        "vector instead, which is not exported: deploy.calibration holds the files to a "
        f"temperature. {BY_TEMPERATURE} On everything the chosen one would take NLL from 0.800 to "
        "0.750 (95 % CI 0.740 to 0.760) and ECE from 0.050 to 0.030 (95 % CI 0.020 to 0.040)."
    )
    source = told("per_source")
    assert "carry one temperature, 1.5. " in source and "chose per source instead" in source
    assert "a picture from a camera does not have" in source
