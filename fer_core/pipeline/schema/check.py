"""The whole of params.yaml. Stages check the section they use; people want all faults at once."""

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.params import OPTIONAL_SECTIONS, SECTIONS, parse_section
from fer_core.outside.described.options import OutsideEntry, is_outside
from fer_core.pipeline.dag.cleaning import DESCRIPTORS
from fer_core.pipeline.dag.keys import trained_teachers
from fer_core.pipeline.schema.adapt import check_adapt
from fer_core.pipeline.schema.faults import check_section, refuse
from fer_core.pipeline.schema.held_out import check_cross_dataset, check_crossval
from fer_core.pipeline.schema.methods import (
    check_changed,
    check_method_sections,
    check_student_keys,
)
from fer_core.pipeline.schema.names import check_names
from fer_core.pipeline.schema.outside import check_outside
from fer_core.pipeline.schema.sections import models, optional_models
from fer_core.pipeline.schema.sets import check_sets
from fer_core.pipeline.schema.unlabelled import check_unlabelled

__all__ = ["check_params", "check_sources"]


def check_params(params: dict[str, Any], path: Path) -> None:
    """Check every section of a parameter file against its model and against each other, the
    methods' options left out.

    Raises:
        ParamsError: a section is missing or does not fit, keys within `student` are unknown, a
            method is unknown, or a name is given twice, cannot be part of a path, or names nothing
            that is declared elsewhere.
    """
    _check_sections(params, path)
    _check_teachers(params, path)
    check_names(params, path)
    check_method_sections(params, path)
    check_student_keys(params["student"], path)
    _check_optional_sections(params, path)
    check_sets(params, path)
    check_adapt(params, path)
    check_crossval(params, path)
    check_unlabelled(params, path)
    check_cross_dataset(params, path)
    check_outside(params, path)
    _check_trained(params, path)
    _check_ensemble(params, path)
    check_changed(params, path)
    _check_deployed(params, path)


def check_sources(params: dict[str, Any], path: Path) -> None:
    """Check that every listed data set has a descriptor, and every teacher from elsewhere its file.

    Raises:
        ParamsError: one has none.
    """
    known = {file.stem for file in DESCRIPTORS.glob("*.json")}
    free = (params["student"].get("unlabelled") or {}).get("sources", [])
    for key, names in (
        ("manifest.sources", params["manifest"]["sources"]),
        ("student.unlabelled.sources", free),
    ):
        missing = [str(name) for name in names if str(name) not in known]
        refuse(
            missing,
            "A listed data set has no descriptor.",
            f"{path}: {key}",
            expected=", ".join(sorted(known)) or f"a file in {DESCRIPTORS}",
            remedy=f"correct the name, or `fer data add {(missing or [''])[0]} PATH` with the "
            "folder that holds it",
        )
    for tag, entry in params["teachers"].items():
        file = entry.get("onnx") or entry.get("logits")
        refuse(
            [file] if is_outside(entry) and not Path(file).is_file() else [],
            "The file of a teacher from elsewhere is missing.",
            f"{path}: teachers.{tag}",
            expected="a file in the project's folder, known to git or DVC",
            remedy="put it there, or take the teacher out",
        )


def _check_sections(params: dict[str, Any], path: Path) -> None:
    """Every section that must be there is there and fits its model; each teacher has its own."""
    missing = [name for name in SECTIONS if name not in params and name not in OPTIONAL_SECTIONS]
    refuse(missing, "Sections are missing.", path)
    for key, model in models().items():
        if key != "teachers":
            check_section(params, key, model, path)


def _check_optional_sections(params: dict[str, Any], path: Path) -> None:
    """Sections that are there fit their models, and teachers of stage b have theirs."""
    of_b = any(entry.get("stage") == "b" for entry in params["teachers"].values())
    for key, model in optional_models().items():
        section, _, name = key.rpartition(".")
        if name in (params[section] if section else params) or (key == "teacher_b" and of_b):
            check_section(params, key, model, path)


def _check_teachers(params: dict[str, Any], path: Path) -> None:
    """A teacher is trained here, or from elsewhere."""
    parse_section("teachers", params["teachers"], dict[str, dict[str, Any]], path)
    trained_here = import_module("fer_core.models.initial.options").TeacherEntry
    for tag, entry in params["teachers"].items():
        model = OutsideEntry if is_outside(entry) else trained_here
        parse_section(f"teachers.{tag}", entry, model, path)


def _check_trained(params: dict[str, Any], path: Path) -> None:
    """A teacher's own options go with those of its stages."""
    of_stage = import_module("fer_core.training.loop.options").stage_options
    for tag, entry in trained_teachers(params).items():
        for stage in "ab" if entry.get("stage") == "b" else "a":
            of_stage(params, tag, stage, path)


def _check_ensemble(params: dict[str, Any], path: Path) -> None:
    """Weights are given to teachers that there are, and targets use weights that there are."""
    teachers = list(params["teachers"])
    ensemble = parse_section("ensemble", params["ensemble"], models()["ensemble"], path)
    for name, given in ensemble.weightings.items():
        given.of_teachers(teachers, name)
    teaching = import_module("fer_core.evaluation.ensemble.teaching")
    targets = parse_section("targets", params.get("targets") or {}, teaching.TargetOptions, path)
    teaching.check_weights(targets.weights, ensemble.kinds, (*ensemble.weightings, *teachers))


def _check_deployed(params: dict[str, Any], path: Path) -> None:
    """What is exported is trained here."""
    student, deploy = params["student"], params["deploy"]
    refuse(
        [f"student.{name}: []" for name in ("methods", "seeds") if not student[name]],
        "No student would be trained.",
        path,
        remedy="list at least one method and one seed",
    )
    keys = [f"{method}-{seed}" for method in student["methods"] for seed in student["seeds"]]
    refuse(
        {deploy["student"]} - set(keys),
        "There is no such student to deploy.",
        f"{path}: deploy.student",
        expected=", ".join(keys),
        remedy="name one of them, METHOD-SEED, or add its method and seed to student.methods and "
        "student.seeds",
    )
    refuse(
        [tag for tag in deploy.get("teachers", []) if tag not in trained_teachers(params)],
        "There is no such teacher to export.",
        f"{path}: deploy.teachers",
        expected=", ".join(trained_teachers(params)),
        remedy="name teachers that are trained here; one from elsewhere has no weights to export",
    )
