"""The calibration of one network as an artifact: fitted on calib rows, judged on val and test rows.

`data/calibration/<key>/` holds `calibration.json` (every method's parameters, which was chosen, and
which an exported file carries), `reliabilitymetrics.json` (each set without and with
each method) and `reliability.csv` (the points of the reliability diagrams).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from tqdm import tqdm

from fer_core.base.absent import absent_classes
from fer_core.base.artifact import Header, new_artifact, open_artifact
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json, write_text
from fer_core.base.labels import INDEX, NEVER
from fer_core.base.logs import progress_off
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.calibration.calibration import (
    LOG_BOUNDS,
    calibration_floor,
    debiased,
    reliability_table,
    settled_temperature,
    short,
)
from fer_core.evaluation.calibration.calibrators import (
    Calibrator,
    Temperature,
    calibrator_from_json,
    calibrator_to_json,
    source_of,
)
from fer_core.evaluation.calibration.choice import (
    CalibrationChoice,
    CalibRows,
    FittedMethod,
    choose_calibrator,
)
from fer_core.evaluation.metrics.options import Carry, EvaluationOptions, Method
from fer_core.evaluation.metrics.record import Evaluation, evaluate_logits

__all__ = [
    "Calibration",
    "CalibrationReport",
    "calibrate",
    "carried_method",
    "read_calibration",
    "write_calibration",
]

_ARTIFACT = "calibration/4"
_FITTED_ON = "calib"
_PLAIN = ("n", "nll_before", "nll_after")


@dataclass(frozen=True)
class Calibration:
    """A network's calibration.

    Attributes:
        key: of the network.
        temperature: of the method of that name; leaderboards and comparisons of networks use it.
        n: calib rows that everything was fitted on.
        nll_before, nll_after: of those rows, at 1 and at the temperature.
        rows_sha256: of the dev rows.
        model_sha256: of the network's weights: a calibration belongs to one set of weights.
        choice: every method fitted, and the one chosen.
        carries: the method that an exported file carries, see `carried_method`.
    """

    key: str
    temperature: float
    n: int
    nll_before: float
    nll_after: float
    rows_sha256: str
    model_sha256: str
    choice: CalibrationChoice
    carries: Method

    @property
    def carried(self) -> Calibrator:
        """What an exported file carries: its `probabilities` are the softmax of what this makes of
        its `logits`.
        """
        return self.choice.methods[self.carries].calibrator

    def file_logits(self, logits: np.ndarray) -> np.ndarray:
        """What an exported file makes of logits [..., 7] before softmax, float64: calibrated by
        what it carries, and classes that are declared absent never answered.
        """
        found = np.array(self.carried.apply(logits))
        found[..., [INDEX[name] for name in absent_classes()]] = NEVER
        return found

    @property
    def measured_as(self) -> str:
        """Key of what `file_logits` reach in `reliabilitymetrics.json`."""
        return _measured_as(self.carries)

    def apply(
        self, logits: np.ndarray, sources: Sequence[str] | None = None, method: Method | None = None
    ) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]: their softmax is the calibrated probability.

        Args:
            logits: of this network, [..., 7].
            sources: data set of each of the first axis' rows, where known; only `per_source` reads
                them.
            method: instead of the chosen one.

        Raises:
            ArtifactError: the method was not fitted.
        """
        name = method or self.choice.chosen
        if name not in self.choice.methods:
            raise ArtifactError(
                "This method of calibration was not fitted.",
                where=self.key,
                found=self.choice.refused.get(name, name),
                expected=" or ".join(self.choice.methods),
            )
        return self.choice.methods[name].calibrator.apply(logits, sources)


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration with what it does on rows that it was not fitted on.

    Attributes:
        calibration: of the network.
        metrics: set -> rows; raw, temperature_scaled and every other method fitted {metrics, floor,
            ece_debiased, …}; ece_floor, the one of temperature_scaled. A floor is what a perfectly
            calibrated model with these probabilities would show (`calibration_floor`).
        reliability: set, stage (raw, scaled for temperature, or another method), bin, confidence,
            accuracy, count.
    """

    calibration: Calibration
    metrics: dict[str, Any]
    reliability: pd.DataFrame


def carried_method(chosen: Method, carry: Carry) -> Method:
    """The method that an exported file carries: the chosen one, unless a file cannot know what it
    asks for, as the source of a face, or is held to the temperature.
    """
    return "temperature" if carry == "temperature" or chosen == "per_source" else chosen


def calibrate(
    evaluation: Evaluation,
    rows: Rows,
    options: EvaluationOptions,
    seed: int,
    carry: Carry = "chosen",
) -> CalibrationReport:
    """Fit every method on the calib rows of an evaluation and choose; measure val and every named
    test set without and with each.

    Args:
        evaluation: of the network.
        rows: the dev rows, which say what belongs together in cross-validation.
        options: section `evaluation`.
        seed: of the bootstrap and of the floors.
        carry: what exported files carry, `deploy.calibration`.

    Raises:
        ArtifactError: other rows than the evaluation's.
    """
    evaluation.dev.check_rows(rows, evaluation.key)
    sets = {name: (logits, labels) for name, logits, labels in evaluation.each_set()}
    logits, labels = sets.pop(_FITTED_ON)
    fit, undetermined = settled_temperature(logits, labels, where=evaluation.key)
    groups = rows.frame["group"].iloc[rows.split(_FITTED_ON)].tolist()
    ids = evaluation.sample_ids(_FITTED_ON)
    choice = choose_calibrator(
        CalibRows(logits, labels, ids, [source_of(i) for i in ids], groups), options.calibration
    )
    if undetermined:
        choice.refused["temperature"] = undetermined
    calibration = Calibration(
        key=evaluation.key,
        temperature=short(fit.temperature),
        n=fit.n,
        nll_before=round(fit.nll_before, 6),
        nll_after=round(fit.nll_after, 6),
        rows_sha256=evaluation.dev.rows_sha256,
        model_sha256=evaluation.dev.model_sha256,
        choice=choice,
        carries=carried_method(choice.chosen, carry),
    )
    metrics: dict[str, dict[str, Any]] = {}
    tables = []
    for name, (logits, labels) in tqdm(
        sets.items(), desc=f"calibrate {evaluation.key}", leave=False, disable=progress_off()
    ):
        metrics[name] = {"rows": len(labels)}
        sources = [source_of(i) for i in evaluation.sample_ids(name)]
        clusters = evaluation.clusters(name)
        for key, stage, calibrated in _stages(calibration, logits, sources):
            measured = evaluate_logits(calibrated, labels, options, seed, clusters=clusters)
            floor = calibration_floor(calibrated, options.bins, seed)
            metrics[name][key] = {
                **measured,
                "ece_debiased": debiased(measured["metrics"]["ece"], floor["ece"]["mean"]),
                "floor": floor,
            }
            table = reliability_table(calibrated, labels, options.bins)
            table.insert(0, "set", name)
            table.insert(1, "stage", stage)
            tables.append(table)
        metrics[name]["ece_floor"] = metrics[name]["temperature_scaled"]["floor"]["ece"]
    return CalibrationReport(calibration, metrics, pd.concat(tables, ignore_index=True))


def write_calibration(folder: Path, report: CalibrationReport) -> None:
    """Write the folder in one step."""
    found, choice = report.calibration, report.calibration.choice
    header = Header(
        _ARTIFACT,
        found.key,
        rows=found.n,
        rows_sha256=found.rows_sha256,
        made_from={"model": found.model_sha256},
    )
    with new_artifact(folder, header) as temporary:
        write_json(
            temporary / "calibration.json",
            {
                "temperature": found.temperature,
                "fitted_on": _FITTED_ON,
                **{name: getattr(found, name) for name in _PLAIN},
                "log_bounds": LOG_BOUNDS,
                "chosen": choice.chosen,
                "carried": found.carries,
                "folds": choice.folds,
                "methods": {name: _plain(fitted) for name, fitted in choice.methods.items()},
                "refused": choice.refused,
            },
        )
        write_json(temporary / "reliabilitymetrics.json", report.metrics)
        write_text(
            temporary / "reliability.csv",
            report.reliability.to_csv(index=False, lineterminator="\n"),
        )


def read_calibration(folder: Path, model_sha256: str) -> Calibration:
    """Read a network's calibration.

    Args:
        folder: the artifact.
        model_sha256: of the weights it is meant for.

    Raises:
        ArtifactError: missing, damaged, of another version or class order, fitted on other rows
            than calib, of other weights, or with a choice, a carried method or a temperature that
            is not of the methods fitted.
    """
    header = open_artifact(folder, _ARTIFACT, folder.name)
    file = folder / "calibration.json"
    values = read_json(file)
    try:
        fitted_on = values["fitted_on"]
        methods = {
            name: _fitted(name, found, f"{file}: {name}")
            for name, found in values["methods"].items()
        }
        choice = CalibrationChoice(values["chosen"], values["folds"], methods, values["refused"])
        calibration = Calibration(
            key=header.key,
            rows_sha256=header.rows_sha256 or "",
            model_sha256=header.made_from["model"],
            choice=choice,
            carries=values["carried"],
            **{name: values[name] for name in ("temperature", *_PLAIN)},
        )
        plain = methods["temperature"].calibrator
    except KeyError as error:
        raise ArtifactError("A key is missing.", where=file, expected=error.args[0]) from error
    if (
        fitted_on != _FITTED_ON
        or choice.chosen not in methods
        or calibration.carries
        not in {carried_method(choice.chosen, one) for one in get_args(Carry)}
        or plain != Temperature(calibration.temperature)
    ):
        raise ArtifactError(
            "This is no calibration.",
            where=file,
            found=(fitted_on, choice.chosen, calibration.carries, calibration.temperature),
            expected=f"fitted on calib rows, the choice one of {list(methods)}, carried that or "
            "the temperature, the temperature that of its method",
        )
    if calibration.model_sha256 != model_sha256:
        raise ArtifactError(
            "This calibration was fitted to other weights.",
            where=file,
            found=calibration.model_sha256,
            expected=model_sha256,
        )
    return calibration


def _stages(
    calibration: Calibration, logits: np.ndarray, sources: Sequence[str]
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Key in the metrics, stage in the table, and logits, of a network as it is and with each
    method.
    """
    yield "raw", "raw", logits
    for method in calibration.choice.methods:
        stage = "scaled" if method == "temperature" else method
        calibrated = (
            calibration.file_logits(logits)
            if method == calibration.carries
            else calibration.apply(logits, sources, method)
        )
        yield _measured_as(method), stage, calibrated


def _measured_as(method: Method) -> str:
    return "temperature_scaled" if method == "temperature" else method


def _plain(fitted: FittedMethod) -> dict[str, Any]:
    scores = {name: value for name, value in asdict(fitted).items() if name != "calibrator"}
    return {"parameters": calibrator_to_json(fitted.calibrator), **scores}


def _fitted(method: str, values: dict[str, Any], where: str) -> FittedMethod:
    scores = {
        field.name: values[field.name]
        for field in fields(FittedMethod)
        if field.name != "calibrator"
    }
    return FittedMethod(calibrator_from_json(method, values["parameters"], where), **scores)
