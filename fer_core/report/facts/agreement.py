"""Whether the artifacts of a report are of one run: pairs of facts that must be equal."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import N_CLASSES
from fer_core.export.onnx.gates import plain_calibrator

if TYPE_CHECKING:
    from fer_core.report.facts.collect import ModelFacts, RunFacts

__all__ = ["REMEDY", "agreements", "check_one_run"]

REMEDY = "run `fer run` (or `dvc repro`): the report must be of one run"


def check_one_run(pairs: Iterable[tuple[object, object, str]], where: Path) -> None:
    """Compare facts of different artifacts.

    Args:
        pairs: what was found, what is expected, and what they are.
        where: folder of the artifacts.

    Raises:
        ArtifactError: two of them differ.
    """
    for found, expected, what in pairs:
        if found != expected:
            raise ArtifactError(
                f"Two artifacts are not of one run: {what}.",
                where=where,
                found=found,
                expected=expected,
                remedy=REMEDY,
            )


def agreements(facts: "RunFacts") -> Iterator[tuple[object, object, str]]:
    """Pairs that must be equal, and what they are."""
    for key, model in facts.models.items():
        yield from _of_model(facts, key, model)
    for tag in facts.scope.teachers:
        evaluation = facts.models[tag].evaluation
        assert facts.ensemble is not None
        yield (
            facts.ensemble.model_sha256[tag],
            evaluation.test.model_sha256,
            f"weights of {tag} in the ensemble",
        )
        board = facts.board_row(tag, False)["metrics"]
        measured = evaluation.metrics[facts.scope.compare_set]["metrics"]
        yield board, measured, f"leaderboard and {tag}"
    for tag, teacher in facts.outside.items():
        weights = facts.models[tag].evaluation.test.model_sha256
        yield teacher.sha256, weights, f"file of {tag} and its logits"
    yield from _of_run(facts)
    for part, found in facts.trust.items():
        test, scope = facts.deployed.evaluation.test, facts.scope
        whose = (found["model"], found["set"], found["model_sha256"], found["rows_sha256"])
        expected = (scope.deployed, scope.compare_set, test.model_sha256, test.rows_sha256)
        yield whose, expected, f"student, set, weights and rows of {part}"
    if (crossed := facts.crossval) is not None:
        evaluation = facts.deployed.evaluation
        of = [crossed[name] for name in ("model", "dev_rows_sha256", "test_rows_sha256")]
        own = [evaluation.key, evaluation.dev.rows_sha256, evaluation.test.rows_sha256]
        yield of, own, "student and rows of the cross-validation"
    if (without := facts.cross_dataset) is not None:
        evaluation = facts.deployed.evaluation
        of = [without[name] for name in ("dev_rows_sha256", "test_rows_sha256")]
        own = [evaluation.dev.rows_sha256, evaluation.test.rows_sha256]
        yield of, own, "rows of the trainings that leave a data set out"
    yield from _of_export(facts)


def _of_model(
    facts: "RunFacts", key: str, model: "ModelFacts"
) -> Iterator[tuple[object, object, str]]:
    first, evaluation = facts.deployed.evaluation, model.evaluation
    kind = "teacher" if key in facts.scope.teachers else "student"
    both = f"{key} and {first.key}"
    yield evaluation.kind, kind, f"kind of {key}"
    yield evaluation.dev.rows_sha256, first.dev.rows_sha256, f"dev rows of {both}"
    yield evaluation.test.rows_sha256, first.test.rows_sha256, f"test rows of {both}"
    yield list(evaluation.sets), list(first.sets), f"named test sets of {both}"
    yield list(model.reliability), ["val", *evaluation.sets], f"sets of the calibration of {key}"
    for name, measured in model.reliability.items():
        what = f"calibration and evaluation of {key} on {name}"
        yield measured["raw"]["metrics"], evaluation.metrics[name]["metrics"], what


def _of_run(facts: "RunFacts") -> Iterator[tuple[object, object, str]]:
    first, name = facts.deployed.evaluation, facts.scope.compare_set
    rows = {split: len(first.dev.rows_of(split)) for split in ("val", "calib")}
    for split, count in {**rows, "test": len(first.test)}.items():
        of_gate = facts.validation["rows_by_split"][split]
        expected = min(count, of_gate) if facts.scope.trial else of_gate
        yield count, expected, f"{split} rows of the evaluations and of the gate"
    if facts.ensemble is not None:
        what = "teachers of the ensemble and of params.yaml"
        yield facts.ensemble.teachers, facts.scope.teachers, what
    if (hard := facts.hard_cases) is not None:
        what = "rows of the hard cases and of the evaluations"
        yield hard["rows_sha256"], first.dev.rows_sha256, what
        yield hard["hard_rows"], len(facts.hard_faces), "hard cases counted and listed"
    yield facts.comparison["set"], name, "set of the comparison and of params.yaml"
    compared = {run["key"]: run["metrics"] for run in facts.comparison["runs"]}
    yield sorted(compared), sorted(facts.models), "runs of the comparison and of params.yaml"
    for key, model in facts.models.items():
        measured = model.evaluation.metrics[name]["metrics"]
        yield compared[key], measured, f"comparison and evaluation of {key}"
    mask = first.sets[name]
    cells = N_CLASSES * first.test.labels[mask].astype(np.int64)
    cells += first.test.eval[mask].argmax(axis=1)
    counted = np.bincount(cells, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES).tolist()
    yield counted, first.metrics[name]["confusion"], f"logits and confusion of {first.key}"


def _of_export(facts: "RunFacts") -> Iterator[tuple[object, object, str]]:
    test, deployed = facts.deployed.evaluation.test, facts.scope.deployed
    for record in facts.exports:
        file = record["file"]
        yield record["modelname"], deployed, f"student of {file} and of params.yaml"
        passed = record["paritycheck"]["pass"]
        yield passed, True, f"verdict on {file} and what may be published"
        weights = record["checkpoint_hash"]
        yield weights, test.model_sha256, f"weights of {file} and of the evaluation"
    exported = [record["precision"] for record in facts.exports]
    yield list(facts.parity["precisions"]), exported, "precisions exported and compared"
    carried = plain_calibrator(facts.deployed.calibration.carried)
    yield facts.parity["calibrator"], carried, "calibrator of the export and of the calibration"
    what = "rows of the parity and of the evaluation"
    yield facts.parity["rows_sha256"], test.rows_sha256, what
