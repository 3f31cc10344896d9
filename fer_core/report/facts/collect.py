"""The facts of one run: every artifact that pages show, read once and checked to be of one run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base.artifact import object_with, read_plain
from fer_core.base.errors import ArtifactError, ParamsError
from fer_core.base.files import read_json
from fer_core.base.params import Params
from fer_core.evaluation.boards.hard_cases import REASONS, read_hard_cases
from fer_core.evaluation.boards.leaderboard import read_leaderboard
from fer_core.evaluation.calibration.report import Calibration, read_calibration
from fer_core.evaluation.comparison.histories import read_history
from fer_core.evaluation.comparison.report import read_comparison
from fer_core.evaluation.crossval.crossval import CrossvalOptions
from fer_core.evaluation.ensemble.ensemble import Ensemble, read_ensemble
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.readers import (
    read_reliability,
    read_target_metrics,
    read_validation,
)
from fer_core.evaluation.metrics.record import Evaluation, read_evaluation
from fer_core.export.onnx.gates import read_parity
from fer_core.export.onnx.report import read_export_records
from fer_core.outside.described.description import OUTSIDE, OutsideTeacher, read_outside
from fer_core.outside.described.options import is_outside
from fer_core.outside.described.taught import taught_by
from fer_core.report.facts.agreement import REMEDY, agreements, check_one_run

__all__ = ["ModelFacts", "ReportScope", "RunFacts", "collect_facts", "read_scope"]


_WITHOUT_TEACHERS: dict[str, Any] = {
    "board": [],
    "oracles": [],
    "ensemble": None,
    "targets": None,
    "hard_cases": None,
    "hard_faces": pd.DataFrame(),
}
_CARD = object_with(
    {
        "weights_sha256": str,
        "init_sha256": str,
        "targets_sha256": str | None,
        "params": dict[str, Any],
    }
)
TRUST = ("selective", "ambiguity", "fairness", "robustness")
"""Records of `metrics/` that say how far to trust the deployed student."""


@dataclass(frozen=True)
class ReportScope:
    """What params.yaml says is to be reported.

    Attributes:
        teachers: tags.
        methods: of the students.
        seeds: of every method.
        deployed: key of the exported student.
        compare_set: the named test set that numbers are of where no other is named.
        stages: tag -> stage, "a" or "b", of the teachers whose model is not stage A's.
        crossval: whether the deployed student's training is cross-validated.
        cross_dataset: whether data sets are left out of trainings.
        outside: tags of the teachers that are from elsewhere.
        trial: whether a few faces of each class are packed and the others left out.
    """

    teachers: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    deployed: str
    compare_set: str
    stages: Mapping[str, str] = field(default_factory=dict)
    crossval: bool = False
    cross_dataset: bool = False
    outside: tuple[str, ...] = ()
    trial: bool = False

    @property
    def trained(self) -> tuple[str, ...]:
        """Tags of the teachers that were trained here."""
        return tuple(tag for tag in self.teachers if tag not in self.outside)

    @property
    def students(self) -> tuple[str, ...]:
        """Student keys, by method and seed."""
        return tuple(f"{method}-{seed}" for method in self.methods for seed in self.seeds)

    def runs(self, method: str) -> list[str]:
        """Keys of a method's students."""
        return [f"{method}-{seed}" for seed in self.seeds]

    def records(self, data: Path) -> dict[str, Path]:
        """Key of every teacher that was trained here, then student, and the folder of its training
        record.
        """
        teachers = {
            tag: data / "teachers" / tag / self.stages.get(tag, "a") / "record"
            for tag in self.trained
        }
        return teachers | {key: data / "students" / key / "record" for key in self.students}


@dataclass(frozen=True)
class ModelFacts:
    """One teacher or student.

    Attributes:
        evaluation: logits and metrics.
        calibration: every method fitted, the one chosen and the one that its file carries.
        reliability: set -> rows, raw, temperature_scaled and every other method, ece_floor.
        points: of the reliability diagrams: set, stage, bin, confidence, accuracy, count.
        history: one row an epoch; empty for a teacher from elsewhere.
        surroundings: machine, packages and speed of its training; empty where it was trained
            elsewhere.
        stages: of a teacher of two stages, both measured on the same val rows; else None.
    """

    evaluation: Evaluation
    calibration: Calibration
    reliability: dict[str, Any]
    points: pd.DataFrame
    history: pd.DataFrame
    surroundings: dict[str, Any]
    stages: dict[str, Any] | None

    def of_file(self, set_name: str) -> dict[str, Any]:
        """What the answers of its file reach on a set: metrics, floor, per_class_f1, confusion. The
        tables of all models are of the network's raw answers or at its temperature.
        """
        found: dict[str, Any] = self.reliability[set_name][self.calibration.measured_as]
        return found


@dataclass(frozen=True)
class RunFacts:
    """All artifacts of one run.

    Attributes:
        scope: what is reported.
        models: teachers, then students, by key.
        validation: the report of the gate.
        board: rows of the leaderboard; empty without teachers.
        oracles: of every named set, what a rule that always picks a right teacher would reach.
        ensemble: of the teachers; None without teachers, as what follows from it.
        targets: metrics and sharpness of the soft labels.
        comparison: of the methods.
        exports: one record an ONNX file.
        parity: of the ONNX files.
        hard_cases: the summary of the hard val rows.
        hard_faces: the hard val rows.
        trust: selective, ambiguity, fairness and robustness of the deployed student.
        crossval: the record of its cross-validation; None without.
        cross_dataset: the matrix of data sets left out and tested on; None without.
        outside: what is stated of each teacher from elsewhere.
        taught: student -> tags of the teachers from elsewhere behind it; only where there are some.
    """

    scope: ReportScope
    models: dict[str, ModelFacts]
    validation: dict[str, Any]
    board: list[dict[str, Any]]
    oracles: list[dict[str, Any]]
    ensemble: Ensemble | None
    targets: dict[str, Any] | None
    comparison: dict[str, Any]
    exports: list[dict[str, Any]]
    parity: dict[str, Any]
    hard_cases: dict[str, Any] | None
    hard_faces: pd.DataFrame
    trust: dict[str, dict[str, Any]]
    crossval: dict[str, Any] | None
    cross_dataset: dict[str, Any] | None
    outside: dict[str, OutsideTeacher] = field(default_factory=dict)
    taught: dict[str, list[str]] = field(default_factory=dict)

    @property
    def deployed(self) -> ModelFacts:
        """The exported student."""
        return self.models[self.scope.deployed]

    def each_student(self) -> Iterator[tuple[str, ModelFacts]]:
        """Key and model of every student."""
        for key in self.scope.students:
            yield key, self.models[key]

    def board_row(self, entry: str, calibrated: bool) -> dict[str, Any]:
        """The leaderboard's row of an entry on `compare_set`.

        Raises:
            ArtifactError: there is none.
        """
        for row in self.board:
            if (row["set"], row["entry"], row["calibrated"]) == (
                self.scope.compare_set,
                entry,
                calibrated,
            ):
                return row
        raise ArtifactError(
            "The leaderboard misses an entry.",
            expected=f"{entry} on {self.scope.compare_set}",
            where="data/leaderboard",
            remedy=REMEDY,
        )


def read_scope() -> ReportScope:
    """What params.yaml says is to be reported."""
    params = Params.load()
    teachers = params.section("teachers", dict[str, Any])
    return ReportScope(
        teachers=tuple(teachers),
        methods=tuple(params.section("student.methods", list[str])),
        seeds=tuple(params.section("student.seeds", list[int])),
        deployed=params.section("deploy.student", str),
        compare_set=params.section("evaluation", EvaluationOptions).compare_sets[0],
        stages={tag: entry.get("stage", "a") for tag, entry in teachers.items()},
        outside=tuple(tag for tag, entry in teachers.items() if is_outside(entry)),
        crossval=params.section("crossval", CrossvalOptions | None, default=None) is not None,
        cross_dataset=bool(params.section("cross_dataset", dict, default={}).get("left_out")),
        trial=params.section("pack.most_per_class", int | None, default=None) is not None,
    )


def collect_facts(data: Path, scope: ReportScope) -> RunFacts:
    """Read every artifact under the data folder and the records beside it; verify that they belong
    together.

    Raises:
        ParamsError: `deploy.student` is no student.
        ArtifactError: one is missing, damaged or of another version, or two of them are of
            different runs.
    """
    if scope.deployed not in scope.students:
        raise ParamsError(
            "The deployed student is not trained.",
            where="params.yaml: deploy.student",
            found=scope.deployed,
            expected=scope.students,
        )
    records = scope.records(data)
    facts = RunFacts(
        scope=scope,
        models={
            key: _read_model(data, key, records.get(key), scope.compare_set)
            for key in (*scope.teachers, *scope.students)
        },
        validation=read_validation(data / "validation.json"),
        comparison=read_comparison(data / "comparison"),
        exports=read_export_records(data / "onnx" / "onnxexportreport.json"),
        parity=read_parity(data / "onnx" / "onnxparity.json"),
        trust={name: read_json(data.parent / "metrics" / f"{name}.json") for name in TRUST},
        crossval=read_json(data.parent / "metrics/crossval.json") if scope.crossval else None,
        cross_dataset=(
            read_json(data.parent / "metrics/cross_dataset.json") if scope.cross_dataset else None
        ),
        **(_of_teachers(data) if scope.teachers else _WITHOUT_TEACHERS),
        **(_from_elsewhere(data, scope) if scope.outside else {}),
    )
    try:
        check_one_run(agreements(facts), data)
    except KeyError as error:
        raise ArtifactError(
            "An artifact misses a key.",
            where=f"{data}: an evaluation, calibration, leaderboard.json or comparison.json",
            expected=error.args[0],
            remedy=REMEDY,
        ) from error
    return facts


def _of_teachers(data: Path) -> dict[str, Any]:
    """What there is only with teachers."""
    hard_faces, hard_summary, hard_rows_sha256 = read_hard_cases(data / "hard_cases")
    board = read_leaderboard(data / "leaderboard")
    return {
        "board": board.rows,
        "oracles": board.oracles,
        "ensemble": read_ensemble(data / "ensemble"),
        "targets": read_target_metrics(data / "softlabels" / "ensemble_metrics.json"),
        "hard_cases": {**asdict(hard_summary), "rows_sha256": hard_rows_sha256},
        "hard_faces": hard_faces[hard_faces[list(REASONS)].any(axis=1)],
    }


def _from_elsewhere(data: Path, scope: ReportScope) -> dict[str, Any]:
    """What there is only with teachers from elsewhere."""
    cards = {
        key: read_plain(data / "students" / key / "model/model.json", _CARD)
        for key in scope.students
    }
    taught = taught_by(cards, data / "softlabels")
    return {
        "outside": {
            tag: read_outside(data / "teachers" / tag / OUTSIDE, tag) for tag in scope.outside
        },
        "taught": {
            key: [tag for tag in tags if tag in scope.outside] for key, tags in taught.items()
        },
    }


def _read_model(data: Path, key: str, record: Path | None, compare_set: str) -> ModelFacts:
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
                remedy=REMEDY,
            )
    calibration = read_calibration(folder, evaluation.test.model_sha256)
    if record is None:
        return ModelFacts(evaluation, calibration, reliability, points, pd.DataFrame(), {}, None)
    stages = read_json(record / "compare.json") if (record / "compare.json").is_file() else None
    return ModelFacts(
        evaluation,
        calibration,
        reliability,
        points,
        read_history(record),
        read_json(log) if (log := record.parent / "log/environment.json").is_file() else {},
        stages,
    )
