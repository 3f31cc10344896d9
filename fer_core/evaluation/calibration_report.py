"""The calibration of one network as an artifact: fitted on calib rows, judged on val and test rows.

`data/calibration/<key>/` holds `calibration.json` (the temperature), `reliabilitymetrics.json` (each set before and after) and
`reliability.csv` (the points of the reliability diagrams).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from fer_core.errors import ArtifactError
from fer_core.evaluation.calibration import LOG_BOUNDS, ece_floor, interior_temperature, reliability_table
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import Evaluation, evaluate_logits
from fer_core.files import new_folder, read_json, write_json, write_text
from fer_core.logs import progress_off

__all__ = ["Calibration", "CalibrationReport", "calibrate", "read_calibration", "write_calibration"]

_SCHEMA = 1
_FITTED_ON = "calib"


@dataclass(frozen=True)
class Calibration:
    """A network's temperature.

    Attributes:
        key: of the network.
        temperature: probabilities are softmax(logits / temperature).
        n: calib rows it was fitted on.
        nll_before, nll_after: of those rows.
        rows_sha256: of the dev rows.
        model_sha256: of the network's weights: a temperature belongs to one set of weights.
    """

    key: str
    temperature: float
    n: int
    nll_before: float
    nll_after: float
    rows_sha256: str
    model_sha256: str


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration with what it does on rows that it was not fitted on.

    Attributes:
        calibration: the temperature.
        metrics: set -> rows, raw and temperature_scaled {metrics, …}, ece_floor.
        reliability: set, stage, bin, confidence, accuracy, count.
    """

    calibration: Calibration
    metrics: dict[str, Any]
    reliability: pd.DataFrame


def calibrate(evaluation: Evaluation, options: EvaluationOptions, seed: int) -> CalibrationReport:
    """Fit the temperature on the calib rows of an evaluation; measure val and every named test set before and after.

    Raises:
        ArtifactError: no temperature calibrates this network.
    """
    sets = {name: (logits, labels) for name, logits, labels in evaluation.each_set()}
    fit = interior_temperature(*sets.pop(_FITTED_ON), where=evaluation.key)
    temperature = float(f"{fit.temperature:.6g}")
    calibration = Calibration(
        key=evaluation.key,
        temperature=temperature,
        n=fit.n,
        nll_before=round(fit.nll_before, 6),
        nll_after=round(fit.nll_after, 6),
        rows_sha256=evaluation.dev.rows_sha256,
        model_sha256=evaluation.dev.model_sha256,
    )
    metrics: dict[str, dict[str, Any]] = {}
    tables = []
    for name, (logits, labels) in tqdm(sets.items(), desc=f"calibrate {evaluation.key}", leave=False, disable=progress_off()):
        metrics[name] = {"rows": len(labels)}
        for stage, scale in (("raw", 1.0), ("temperature_scaled", temperature)):
            metrics[name][stage] = evaluate_logits(logits, labels, options, seed, scale)
            table = reliability_table(logits, labels, options.bins, scale)
            table.insert(0, "set", name)
            table.insert(1, "stage", "raw" if stage == "raw" else "scaled")
            tables.append(table)
        metrics[name]["ece_floor"] = ece_floor(logits, options.bins, seed, temperature)
    return CalibrationReport(calibration, metrics, pd.concat(tables, ignore_index=True))


def write_calibration(folder: Path, report: CalibrationReport) -> None:
    """Write the folder in one step."""
    values = asdict(report.calibration)
    with new_folder(folder) as temporary:
        write_json(
            temporary / "calibration.json",
            {
                "schema": _SCHEMA,
                "key": values.pop("key"),
                "temperature": values.pop("temperature"),
                "fitted_on": _FITTED_ON,
                **values,
                "log_bounds": LOG_BOUNDS,
            },
        )
        write_json(temporary / "reliabilitymetrics.json", report.metrics)
        write_text(temporary / "reliability.csv", report.reliability.to_csv(index=False, lineterminator="\n"))


def read_calibration(folder: Path, model_sha256: str) -> Calibration:
    """Read a network's temperature.

    Args:
        folder: the artifact.
        model_sha256: of the weights it is meant for.

    Raises:
        ArtifactError: missing, damaged, of another version, fitted on other rows than calib, at a bound, or of other weights.
    """
    file = folder / "calibration.json"
    values = read_json(file)
    if values.get("schema") != _SCHEMA:
        raise ArtifactError("This calibration is of another version.", where=file, found=values.get("schema"), expected=_SCHEMA)
    try:
        fitted_on = values["fitted_on"]
        calibration = Calibration(**{name: values[name] for name in Calibration.__dataclass_fields__})
    except KeyError as error:
        raise ArtifactError("A key is missing.", where=file, expected=error.args[0]) from error
    if fitted_on != _FITTED_ON or not calibration.temperature > 0:
        raise ArtifactError(
            "This is no calibration.", where=file, found=(fitted_on, calibration.temperature), expected="a positive T fitted on calib rows"
        )
    if calibration.model_sha256 != model_sha256:
        raise ArtifactError(
            "This temperature was fitted to other weights.", where=file, found=calibration.model_sha256, expected=model_sha256
        )
    return calibration
