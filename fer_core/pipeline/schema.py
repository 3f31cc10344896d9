"""The whole of params.yaml: which model reads which section. Stages check the section they use;
people want all faults at once.
"""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.params import OPTIONAL_SECTIONS, SECTIONS, Seed, parse_section
from fer_core.pipeline.keys import loss_of, needs_of

__all__ = ["check_methods", "check_params", "check_sources", "models_of"]

_DESCRIPTORS = Path("data/sources")
_CODE = Path(__file__).parents[2]
_ENTRIES = frozenset({"best_single", "ensemble", "oracle", "per_class", "per_source", "uniform"})
"""Entries of the leaderboard beside the teachers and students."""
_DEV_SETS = frozenset({"val", "calib"})
"""Sets that every evaluation has without being told."""


def check_params(params: dict[str, Any], path: Path) -> None:
    """Check every section of a parameter file against its model and against each other, the
    methods' options left out.

    Raises:
        ParamsError: a section is missing or does not fit, keys within `student` are unknown, a
            method is unknown, or a name is given twice, cannot be part of a path, or names nothing
            that is declared elsewhere.
    """
    missing = [name for name in SECTIONS if name not in params and name not in OPTIONAL_SECTIONS]
    if missing:
        raise ParamsError("Sections are missing.", where=path, found=", ".join(missing))
    for key, model in _models().items():
        _check(params, key, model, path)
    _check_names(params, path)
    _only(
        params["student"],
        {
            "arch",
            "methods",
            "preprocessing",
            "seeds",
            "set",
            "train",
            "trials",
            *params["student"]["methods"],
        },
        "student",
        path,
    )
    if "teacher_b" in params or any(
        entry.get("stage") == "b" for entry in params["teachers"].values()
    ):
        _check(
            params,
            "teacher_b",
            import_module("fer_core.training.loop.options").TeacherBOptions,
            path,
        )
    if "preprocessing" in params["student"]:
        _check(
            params,
            "student.preprocessing",
            import_module("fer_core.training.loop.options").Resolution,
            path,
        )
    if "trials" in params["student"]:
        _check(params, "student.trials", dict[str, int], path)
    _check_sets(params, path)
    for name, given in parse_section(
        "ensemble", params["ensemble"], _models()["ensemble"], path
    ).weightings.items():
        given.of_teachers(list(params["teachers"]), name)
    _check_changed(params, path)
    if params["deploy"]["student"] not in (
        keys := [
            f"{m}-{s}" for m in params["student"]["methods"] for s in params["student"]["seeds"]
        ]
    ):
        raise ParamsError(
            "There is no such student to deploy.",
            where=f"{path}: deploy.student",
            found=params["deploy"]["student"],
            expected=", ".join(keys),
            remedy="name one of them, METHOD-SEED, or add its method and seed to student.methods "
            "and student.seeds",
        )
    if unknown := [
        tag for tag in params["deploy"].get("teachers", []) if tag not in params["teachers"]
    ]:
        known = ", ".join(params["teachers"])
        raise ParamsError(
            "There is no such teacher to export.",
            where=f"{path}: deploy.teachers",
            found=unknown,
            expected=known,
        )


def check_sources(params: dict[str, Any], path: Path) -> None:
    """Check that every listed data set has a descriptor.

    Raises:
        ParamsError: one has none.
    """
    if missing := [
        name
        for name in params["manifest"]["sources"]
        if not (_DESCRIPTORS / f"{name}.json").is_file()
    ]:
        raise ParamsError(
            "A listed data set has no descriptor.",
            where=f"{path}: manifest.sources",
            found=", ".join(map(str, missing)),
            expected=", ".join(sorted(file.stem for file in _DESCRIPTORS.glob("*.json")))
            or f"a file in {_DESCRIPTORS}",
            remedy=f"mend the name, or `fer data add {missing[0]} PATH` with the folder that holds "
            "it",
        )


def check_methods(params: dict[str, Any], path: Path) -> None:
    """Check the options of every method in `student.methods`; apart from the rest because the
    methods' modules import torch.

    Raises:
        ParamsError: options are missing or do not fit, or mixup is asked for with a method that has
            stored targets.
    """
    mixup = params["student"]["train"].get("mixup", 0)
    loss_class = import_module("fer_core.training.students.loss").loss_class
    for method in params["student"]["methods"]:
        loss = _check(params, f"student.{method}", loss_class(loss_of(params, method)), path)
        if mixup and not loss.mixable:
            raise ParamsError(
                "Mixup needs a loss of labels alone: stored targets are of plain images, and "
                "further terms know one label a row.",
                where=f"{path}: student.train.mixup",
                found=f"{mixup} with {method}",
                expected="0, or only methods without targets and without further terms",
            )


def models_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Model of every section that a parameter file has, the methods' and optional ones too."""
    options = import_module("fer_core.training.loop.options")
    loss_class = import_module("fer_core.training.students.loss").loss_class
    methods = {
        f"student.{name}": loss_class(loss_of(dict(params), name))
        for name in params["student"]["methods"]
    }
    optional = {
        "teacher_b": options.TeacherBOptions,
        "student.preprocessing": options.Resolution,
        "student.trials": dict[str, int],
    }
    return {**_models(), **optional, **methods}


def _check(params: dict[str, Any], key: str, model: Any, path: Path) -> Any:
    values: Any = params
    for name in key.split("."):
        if not isinstance(values, dict) or name not in values:
            raise ParamsError("A section is missing.", where=f"{path}: {key}")
        values = values[name]
    return parse_section(key, values, model, path)


def _check_names(params: dict[str, Any], path: Path) -> None:
    """Names of teachers and students become keys of stages and folders of `data/`, where teachers
    and students lie side by side.
    """
    student = params["student"]
    for key, values in (
        ("student.methods", student["methods"]),
        ("student.seeds", student["seeds"]),
    ):
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ParamsError(
                "A value is given twice.",
                where=f"{path}: {key}",
                found=twice,
                expected="each once",
                remedy="remove one",
            )
    for key, names in (
        ("student.methods", student["methods"]),
        ("teachers", params["teachers"]),
        ("sets", params["sets"]),
    ):
        if odd := [name for name in names if re.fullmatch(r"[A-Za-z0-9_]+", name) is None]:
            raise ParamsError(
                "This is no name.",
                where=f"{path}: {key}",
                found=odd,
                expected="letters, digits and _",
                remedy="rename it",
            )
    if both := sorted(_ENTRIES & set(params["teachers"])):
        raise ParamsError(
            "The leaderboard has an entry of this name already.",
            where=f"{path}: teachers",
            found=both,
            remedy="rename it",
        )
    for method in student["methods"]:
        section = student.get(method, {})
        if not isinstance(section, dict):
            raise ParamsError(
                "A method's section holds no options.",
                where=f"{path}: student.{method}",
                found=section,
                expected="a mapping",
            )
        needs_of(loss_of(params, method), _CODE)


def _check_sets(params: dict[str, Any], path: Path) -> None:
    """Every named set that is asked for must be declared and be of the right half, and every source
    that a set names must be listed.
    """
    module = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], module.NamedSets, path)
    for name, chosen in sets.items():
        if unlisted := sorted(set(chosen.sources or []) - set(params["manifest"]["sources"])):
            raise ParamsError(
                "A named set is of a data set that is not listed.",
                where=f"{path}: sets.{name}.sources",
                found=", ".join(unlisted),
                expected=f"some of manifest.sources: {', '.join(params['manifest']['sources'])}",
                remedy="mend the name, add the data set to manifest.sources, or remove the set",
            )
    asked = params["evaluation"]["compare_set"]
    evaluated = module.evaluated_sets(sets)
    if taken := sorted(_DEV_SETS & set(evaluated)):
        raise ParamsError(
            "Every evaluation has a set of this name already.",
            where=f"{path}: sets",
            found=taken,
            remedy="rename it",
        )
    if unknown := [
        name for name in ([asked] if isinstance(asked, str) else asked) if name not in evaluated
    ]:
        raise ParamsError(
            "There is no named set of test rows to compare on.",
            where=f"{path}: evaluation.compare_set",
            found=", ".join(unknown),
            expected=f"some of {', '.join(evaluated)}" if evaluated else "a set of test rows",
            remedy="mend the name, or declare the set under sets",
        )
    for section in ("teacher", "teacher_b", "student"):
        name = params.get(section, {}).get("set")
        if name is not None:
            module.train_set_of(name, sets)


def _check_changed(params: dict[str, Any], path: Path) -> None:
    """Each method's own learning rate and epochs must go with the rest of `student.train`."""
    options = import_module("fer_core.training.loop.options").StudentTrainOptions
    for method in params["student"]["methods"]:
        section = params["student"].get(method)
        own = section if isinstance(section, dict) else {}
        changes = {"lr": own.get("lr"), "epochs": own.get("extra_epochs")}
        values = params["student"]["train"] | {
            name: value for name, value in changes.items() if value is not None
        }
        parse_section(
            f"student.train with student.{method}'s lr and extra_epochs", values, options, path
        )


def _models() -> dict[str, Any]:
    """Model of every section but the methods'; modules are imported here, when a file is really
    checked.
    """

    def named(module: str, name: str) -> Any:
        return getattr(import_module(f"fer_core.{module}"), name)

    return {
        "seed": Seed,
        "clean": named("sources.catalogue.options", "CleanOptions"),
        "manifest": named("dataset.assembly.manifest", "ManifestOptions"),
        "sets": named("dataset.pack.named_sets", "NamedSets"),
        "validate": named("dataset.gate.validation", "ValidateOptions"),
        "pack": named("dataset.pack.pack", "PackOptions"),
        "preprocessing": named("pixels.preprocessing", "Preprocessing"),
        "views": named("images.views", "ViewOptions"),
        "init": named("models.initial.options", "InitOptions"),
        "teacher": named("training.loop.options", "TeacherOptions"),
        "teachers": named("models.initial.options", "Teachers"),
        "ensemble": named("evaluation.ensemble.fusion", "EnsembleOptions"),
        "student.arch": str,
        "student.methods": list[str],
        "student.seeds": list[Seed],
        "student.train": named("training.loop.options", "StudentTrainOptions"),
        "hard_cases": named("evaluation.boards.hard_cases", "HardCaseOptions"),
        "evaluation": named("evaluation.metrics.options", "EvaluationOptions"),
        "deploy": named("export.onnx.options", "DeployOptions"),
        "latency": named("export.onnx.options", "LatencyOptions"),
    }


def _only(values: dict[str, Any], known: set[str], key: str, path: Path) -> None:
    for name in values:
        if name not in known:
            raise ParamsError(
                "Unknown key.", where=f"{path}: {key}.{name}", expected=", ".join(sorted(known))
            )
