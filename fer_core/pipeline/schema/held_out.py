"""Trainings that hold faces out: cross-validation, and one data set at a time."""

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.paths import NONE_LEFT_OUT
from fer_core.pipeline.dag.keys import is_guided
from fer_core.pipeline.schema.faults import refuse
from fer_core.pipeline.schema.methods import learns_from_teachers
from fer_core.training.crossval.chain import chain_of

__all__ = ["check_cross_dataset", "check_crossval"]


def check_crossval(params: dict[str, Any], path: Path) -> None:
    """Cross-validation repeats trainings on labels alone: the teachers that are there have seen the
    faces that it holds out.
    """
    if params.get("crossval") is None:
        return
    chain = chain_of(params, params["deploy"]["student"].rpartition("-")[0])
    refuse(
        [name for name in chain if learns_from_teachers(params, name)],
        "The deployed student cannot be cross-validated: a method of its chain learns from "
        "teachers.",
        f"{path}: crossval",
        expected="a student of methods of labels alone, such as ce, under deploy.student",
        remedy="remove the section crossval, or deploy another student",
    )


def check_cross_dataset(params: dict[str, Any], path: Path) -> None:
    """Data sets left out must be learned from otherwise, and nothing else may have seen them."""
    options = import_module("fer_core.training.crossdata.options")
    section = options.CrossDatasetOptions.model_validate(params.get("cross_dataset") or {})
    if section.left_out:
        known = options.learned_sources(params)
        _check_left_out(
            params, known if section.left_out == "all" else section.left_out, known, path
        )
        _check_training(params, section.method, section.seeds, path)


def _check_left_out(
    params: dict[str, Any], asked: Collection[str], known: list[str], path: Path
) -> None:
    """Students learn from each data set to leave out, and from others beside it."""
    where, listed = f"{path}: cross_dataset.left_out", params["manifest"]["sources"]
    refuse(
        [name for name in asked if name not in listed],
        "A data set to leave out is not listed.",
        where,
        expected=f"some of manifest.sources: {', '.join(listed)}, or all",
    )
    trained = [name for name in listed if name not in params["manifest"].get("eval_only", [])]
    refuse(
        known if len(known) == 1 < len(trained) else [],
        f"The named set {params['student'].get('set')} that students learn from is empty without a "
        "data set.",
        where,
        expected="a student.set of several data sets",
        remedy="widen the set, or remove the section cross_dataset",
    )
    refuse(
        [name for name in asked if name not in known],
        "A data set to leave out is one that students do not learn from in any case.",
        where,
        expected=", ".join(known),
        remedy="take it off the list; its test rows are a column of the matrix all the same",
    )
    refuse(
        [name for name in listed if name.lower() == NONE_LEFT_OUT],
        "A data set has the name of the training that leaves none out.",
        f"{path}: manifest.sources",
        remedy="rename it, or remove the section cross_dataset",
    )


def _check_training(params: dict[str, Any], method: str, seeds: int, path: Path) -> None:
    """Method and seeds are there, and nothing that the method goes by knows what is left out."""
    where, student = f"{path}: cross_dataset", params["student"]
    refuse(
        [] if method in student["methods"] else [method],
        "There is no such method to train with.",
        f"{where}.method",
        expected=f"one of student.methods: {', '.join(student['methods'])}",
    )
    refuse(
        [seeds] if seeds > len(student["seeds"]) else [],
        "There are not as many seeds.",
        f"{where}.seeds",
        expected=f"at most {len(student['seeds'])}, the number of student.seeds",
    )
    taught = learns_from_teachers(params, method) or is_guided(params, method)
    start = (student.get(method) or {}).get("start")
    reasons = {
        "teachers, and they have seen": taught,
        f"a student of {start}, which has seen": start is not None,
        "the saved student of student.init, which may have seen": student.get("init") is not None,
    }
    refuse(
        [f"{method} goes by {why} the data set left out" for why, so in reasons.items() if so],
        "This method would know a data set although it is left out.",
        f"{where}.method",
        expected="a method of labels alone that starts from initial weights, such as ce",
        remedy="name another method, or remove the section cross_dataset",
    )
