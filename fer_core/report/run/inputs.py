"""Everything the report shows, read and checked to be of one run of the pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import read_json
from fer_core.base.labels import N_CLASSES
from fer_core.evaluation.boards.hard_cases import REASONS, read_hard_cases
from fer_core.evaluation.boards.leaderboard import read_leaderboard
from fer_core.evaluation.calibration.report import Calibration, read_calibration
from fer_core.evaluation.comparison.histories import (
    read_history,
    read_reliability,
    read_target_metrics,
    read_validation,
)
from fer_core.evaluation.comparison.report import read_comparison
from fer_core.evaluation.ensemble.ensemble import Ensemble, read_ensemble
from fer_core.evaluation.metrics.record import Evaluation, read_evaluation
from fer_core.export.latency.promotion import Promotion, read_promotions, recommended
from fer_core.export.latency.table import read_latency
from fer_core.export.onnx.parity import read_parity
from fer_core.export.onnx.report import read_export_records

__all__ = ["Model", "ReportInputs", "Selection", "read_inputs"]

_REMEDY = "run `fer run` (or `dvc repro`): the report must be of one run"


@dataclass(frozen=True)
class Selection:
    """What params.yaml says is to be reported.

    Attributes:
        teachers: tags.
        methods: of the students.
        seeds: of every method.
        deployed: key of the exported student.
        compare_set: the named test set that numbers are of where no other is named.
        stages: tag -> stage, "a" or "b", of the teachers whose model is not stage A's.
    """

    teachers: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    deployed: str
    compare_set: str
    stages: Mapping[str, str] = field(default_factory=dict)

    @property
    def students(self) -> tuple[str, ...]:
        """Student keys, by method and seed."""
        return tuple(f"{method}-{seed}" for method in self.methods for seed in self.seeds)


@dataclass(frozen=True)
class Model:
    """One teacher or student.

    Attributes:
        evaluation: logits and metrics.
        calibration: its temperature.
        reliability: set -> rows, raw, temperature_scaled, ece_floor.
        points: of the reliability diagrams: set, stage, bin, confidence, accuracy, count.
        history: one row an epoch.
        surroundings: what it was trained on and with.
        stages: of a teacher of two stages, both measured on the same val rows; else None.
    """

    evaluation: Evaluation
    calibration: Calibration
    reliability: dict[str, Any]
    points: pd.DataFrame
    history: pd.DataFrame
    surroundings: dict[str, Any]
    stages: dict[str, Any] | None


@dataclass(frozen=True)
class ReportInputs:
    """All artifacts of one run.

    Attributes:
        selection: what is reported.
        models: teachers, then students, by key.
        validation: the report of the gate.
        board: rows of the leaderboard.
        oracles: of every named set, what a rule that always picks a right teacher would reach.
        ensemble: of the teachers.
        targets: metrics and sharpness of the soft labels.
        comparison: of the methods.
        exports: one record an ONNX file.
        parity: of the ONNX files.
        latency: of the ONNX files, on the machine that ran the stage `latency`.
        promotions: verdicts on the ONNX files that must earn their use there.
        hard_cases: the summary of the hard val rows.
        hard_faces: the hard val rows.
    """

    selection: Selection
    models: dict[str, Model]
    validation: dict[str, Any]
    board: list[dict[str, Any]]
    oracles: list[dict[str, Any]]
    ensemble: Ensemble
    targets: dict[str, Any]
    comparison: dict[str, Any]
    exports: list[dict[str, Any]]
    parity: dict[str, Any]
    latency: pd.DataFrame
    promotions: list[Promotion]
    hard_cases: dict[str, Any]
    hard_faces: pd.DataFrame

    @property
    def deployed(self) -> Model:
        """The exported student."""
        return self.models[self.selection.deployed]

    @property
    def recommended(self) -> dict[str, Any]:
        """The record of the exported file to use on the CPU that was timed."""
        precision = recommended(self.promotions)
        return next(record for record in self.exports if record["precision"] == precision)

    def each_student(self) -> Iterator[tuple[str, Model]]:
        """Key and model of every student."""
        for key in self.selection.students:
            yield key, self.models[key]

    def board_row(self, entry: str, calibrated: bool) -> dict[str, Any]:
        """The leaderboard's row of an entry on `compare_set`.

        Raises:
            ArtifactError: there is none.
        """
        for row in self.board:
            if (row["set"], row["entry"], row["calibrated"]) == (
                self.selection.compare_set,
                entry,
                calibrated,
            ):
                return row
        raise ArtifactError(
            "The leaderboard misses an entry.",
            expected=f"{entry} on {self.selection.compare_set}",
            where="data/leaderboard",
            remedy=_REMEDY,
        )


def read_inputs(data: Path, metrics: Path, selection: Selection) -> ReportInputs:
    """Read every artifact under the data folder, and what `latency` left under metrics, and verify
    that they belong together.

    Raises:
        ParamsError: `deploy.student` is no student.
        ArtifactError: one is missing, damaged or of another version, or two of them are of
            different runs.
    """
    if selection.deployed not in selection.students:
        raise ParamsError(
            "The deployed student is not trained.",
            where="params.yaml: deploy.student",
            found=selection.deployed,
            expected=selection.students,
        )
    records = {
        tag: data / "teachers" / tag / selection.stages.get(tag, "a") / "record"
        for tag in selection.teachers
    }
    records |= {key: data / "students" / key / "record" for key in selection.students}
    hard_faces, hard_summary, hard_rows_sha256 = read_hard_cases(data / "hard_cases")
    board = read_leaderboard(data / "leaderboard")
    inputs = ReportInputs(
        selection=selection,
        models={
            key: _read_model(data, key, record, selection.compare_set)
            for key, record in records.items()
        },
        validation=read_validation(data / "validation.json"),
        board=board.rows,
        oracles=board.oracles,
        ensemble=read_ensemble(data / "ensemble"),
        targets=read_target_metrics(data / "softlabels" / "ensemble_metrics.json"),
        comparison=read_comparison(data / "comparison"),
        exports=read_export_records(data / "onnx" / "onnxexportreport.json"),
        parity=read_parity(data / "onnx" / "onnxparity.json"),
        latency=read_latency(metrics / "latencybenchmarks.csv"),
        promotions=read_promotions(metrics / "onnxpromotion.json"),
        hard_cases={**asdict(hard_summary), "rows_sha256": hard_rows_sha256},
        hard_faces=hard_faces[hard_faces[list(REASONS)].any(axis=1)],
    )
    try:
        for found, expected, what in _agreements(inputs):
            if found != expected:
                raise ArtifactError(
                    f"Two artifacts are not of one run: {what}.",
                    where=data,
                    found=found,
                    expected=expected,
                    remedy=_REMEDY,
                )
    except KeyError as error:
        raise ArtifactError(
            "An artifact misses a key.",
            where=f"{data}: an evaluation, calibration, leaderboard.json or comparison.json",
            expected=error.args[0],
            remedy=_REMEDY,
        ) from error
    return inputs


def _read_model(data: Path, key: str, record: Path, compare_set: str) -> Model:
    evaluation = read_evaluation(data / "evaluation" / key)
    if evaluation.key != key:
        raise ArtifactError(
            "This evaluation is another model's.",
            where=data / "evaluation" / key,
            found=evaluation.key,
            expected=key,
        )
    folder = data / "calibration" / key
    reliability, points = read_reliability(folder)
    for where, sets in ((data / "evaluation" / key, evaluation.metrics), (folder, reliability)):
        if compare_set not in sets:
            raise ArtifactError(
                "The set to compare on was not measured.",
                where=where,
                found=list(sets),
                expected=compare_set,
                remedy=_REMEDY,
            )
    calibration = read_calibration(folder, evaluation.test.model_sha256)
    stages = read_json(record / "compare.json") if (record / "compare.json").is_file() else None
    return Model(
        evaluation,
        calibration,
        reliability,
        points,
        read_history(record),
        read_json(record / "environment.json"),
        stages,
    )


def _agreements(inputs: ReportInputs) -> Iterator[tuple[object, object, str]]:
    """Pairs that must be equal, and what they are."""
    selection, name = inputs.selection, inputs.selection.compare_set
    first = inputs.deployed.evaluation
    of_split = inputs.validation["rows_by_split"]
    for key, model in inputs.models.items():
        evaluation = model.evaluation
        yield (
            evaluation.kind,
            "teacher" if key in selection.teachers else "student",
            f"kind of {key}",
        )
        yield (
            evaluation.dev.rows_sha256,
            first.dev.rows_sha256,
            f"dev rows of {key} and {first.key}",
        )
        yield (
            evaluation.test.rows_sha256,
            first.test.rows_sha256,
            f"test rows of {key} and {first.key}",
        )
        yield list(evaluation.sets), list(first.sets), f"named test sets of {key} and {first.key}"
        yield (
            list(model.reliability),
            ["val", *evaluation.sets],
            f"sets of the calibration of {key}",
        )
        for set_name, measured in model.reliability.items():
            raw = measured["raw"]["metrics"]
            yield (
                raw,
                evaluation.metrics[set_name]["metrics"],
                f"calibration and evaluation of {key} on {set_name}",
            )
    for split, rows in (
        ("val", len(first.dev.rows_of("val"))),
        ("calib", len(first.dev.rows_of("calib"))),
        ("test", len(first.test)),
    ):
        yield rows, of_split[split], f"{split} rows of the evaluations and of the gate"
    yield (
        inputs.ensemble.teachers,
        selection.teachers,
        "teachers of the ensemble and of params.yaml",
    )
    for tag in selection.teachers:
        yield (
            inputs.ensemble.model_sha256[tag],
            inputs.models[tag].evaluation.test.model_sha256,
            f"weights of {tag} in the ensemble",
        )
        yield (
            inputs.board_row(tag, False)["metrics"],
            inputs.models[tag].evaluation.metrics[name]["metrics"],
            f"leaderboard and {tag}",
        )
    yield (
        inputs.hard_cases["rows_sha256"],
        first.dev.rows_sha256,
        "rows of the hard cases and of the evaluations",
    )
    yield inputs.hard_cases["hard_rows"], len(inputs.hard_faces), "hard cases counted and listed"
    yield inputs.comparison["set"], name, "set of the comparison and of params.yaml"
    compared = {run["key"]: run["metrics"] for run in inputs.comparison["runs"]}
    yield sorted(compared), sorted(inputs.models), "runs of the comparison and of params.yaml"
    for key, model in inputs.models.items():
        yield (
            compared[key],
            model.evaluation.metrics[name]["metrics"],
            f"comparison and evaluation of {key}",
        )
    for record in inputs.exports:
        yield (
            record["modelname"],
            selection.deployed,
            f"student of {record['file']} and of params.yaml",
        )
        yield (
            record["paritycheck"]["pass"],
            True,
            f"verdict on {record['file']} and what may be published",
        )
        yield (
            record["checkpoint_hash"],
            first.test.model_sha256,
            f"weights of {record['file']} and of the evaluation",
        )
    yield (
        list(inputs.parity["precisions"]),
        [record["precision"] for record in inputs.exports],
        "precisions exported and compared",
    )
    timed = inputs.latency[inputs.latency["model"] != "reference"]
    found = set(zip(timed["model"], timed["precision"], strict=True))
    yield (
        found,
        {(selection.deployed, record["precision"]) for record in inputs.exports},
        "files exported and timed",
    )
    promoted = {promotion.precision for promotion in inputs.promotions if promotion.promoted}
    yield (
        promoted - {record["precision"] for record in inputs.exports},
        set(),
        "files promoted and not exported",
    )
    yield (
        inputs.parity["temperature"],
        inputs.deployed.calibration.temperature,
        "temperature of the export and of the calibration",
    )
    yield (
        inputs.parity["rows_sha256"],
        first.test.rows_sha256,
        "rows of the parity and of the evaluation",
    )
    labels, predictions = (
        first.test.labels[first.sets[name]],
        first.test.eval[first.sets[name]].argmax(axis=1),
    )
    cells = np.bincount(
        N_CLASSES * labels.astype(np.int64) + predictions, minlength=N_CLASSES**2
    ).reshape(N_CLASSES, N_CLASSES)
    yield cells.tolist(), first.metrics[name]["confusion"], f"logits and confusion of {first.key}"
