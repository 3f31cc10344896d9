"""The whole of params.yaml: which model reads which section. Stages check the section they use; people want all faults at once."""

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.errors import ParamsError
from fer_core.params import OPTIONAL_SECTIONS, SECTIONS, parse_section

__all__ = ["check_methods", "check_params"]


def check_params(params: dict[str, Any], path: Path) -> None:
    """Check every section of a parameter file against its model, the methods' options left out.

    Raises:
        ParamsError: a section is missing or does not fit, or keys within `student` or `teacher` are unknown.
    """
    missing = [name for name in SECTIONS if name not in params and name not in OPTIONAL_SECTIONS]
    if missing:
        raise ParamsError("Sections are missing.", where=path, found=", ".join(missing))
    for key, model in _models().items():
        _check(params, key, model, path)
    _only(
        params["student"],
        {"arch", "methods", "preprocessing", "seeds", "set", "train", "trials", *params["student"]["methods"]},
        "student",
        path,
    )
    if "teacher_b" in params or any(entry.get("stage") == "b" for entry in params["teachers"].values()):
        _check(params, "teacher_b", import_module("fer_core.learning.options").TeacherBOptions, path)
    if "preprocessing" in params["student"]:
        _check(params, "student.preprocessing", import_module("fer_core.learning.options").Resolution, path)
    if "trials" in params["student"]:
        _check(params, "student.trials", dict[str, int], path)
    _check_train_sets(params, path)
    for name, given in parse_section("ensemble", params["ensemble"], _models()["ensemble"], path).weightings.items():
        given.of_teachers(list(params["teachers"]), name)
    if params["deploy"]["student"] not in (keys := [f"{m}-{s}" for m in params["student"]["methods"] for s in params["student"]["seeds"]]):
        raise ParamsError(
            "There is no such student to deploy.", where=f"{path}: deploy.student", found=params["deploy"]["student"], expected=keys
        )
    if unknown := [tag for tag in params["deploy"].get("teachers", []) if tag not in params["teachers"]]:
        known = ", ".join(params["teachers"])
        raise ParamsError("There is no such teacher to export.", where=f"{path}: deploy.teachers", found=unknown, expected=known)


def check_methods(params: dict[str, Any], path: Path) -> None:
    """Check the options of every method in `student.methods`; apart from the rest because the methods' modules import torch.

    Raises:
        ParamsError: options are missing or do not fit, or mixup is asked for with a method that has stored targets.
    """
    mixup = params["student"]["train"].get("mixup", 0)
    for method in params["student"]["methods"]:
        module = import_module(f"fer_core.learning.losses.{(params['student'].get(method) or {}).get('method') or method}")
        _check(params, f"student.{method}", module.Options, path)
        further = {"negl", "proto", "lp"} & set(params["student"][method])
        if mixup and (module.NEEDS_TARGETS or getattr(module, "NEEDS_VOTES", False) or further):
            raise ParamsError(
                "Mixup needs a loss of labels alone: stored targets are of plain images, and further terms know one label a row.",
                where=f"{path}: student.train.mixup",
                found=f"{mixup} with {method}",
                expected="0, or only methods without targets and without further terms",
            )


def _check(params: dict[str, Any], key: str, model: Any, path: Path) -> None:
    values: Any = params
    for name in key.split("."):
        if not isinstance(values, dict) or name not in values:
            raise ParamsError("A section is missing.", where=f"{path}: {key}")
        values = values[name]
    parse_section(key, values, model, path)


def _check_train_sets(params: dict[str, Any], path: Path) -> None:
    """Every `set` that a training section names must be a named set of train rows."""
    module = import_module("fer_core.data.named_sets")
    sets = parse_section("sets", params["sets"], module.NamedSets, path)
    for section in ("teacher", "teacher_b", "student"):
        name = params.get(section, {}).get("set")
        if name is not None:
            module.train_set_of(name, sets)


def _models() -> dict[str, Any]:
    """Model of every section but the methods'; modules are imported here, when a file is really checked."""

    def named(module: str, name: str) -> Any:
        return getattr(import_module(f"fer_core.{module}"), name)

    return {
        "seed": int,
        "clean": named("sources.options", "CleanOptions"),
        "manifest": named("data.manifest", "ManifestOptions"),
        "sets": named("data.named_sets", "NamedSets"),
        "validate": named("data.validation", "ValidateOptions"),
        "pack": named("data.pack", "PackOptions"),
        "preprocessing": named("data.preprocessing", "Preprocessing"),
        "views": named("data.views", "ViewOptions"),
        "init": named("models.options", "InitOptions"),
        "teacher": named("learning.options", "TeacherOptions"),
        "teachers": named("models.options", "Teachers"),
        "ensemble": named("evaluation.fusion", "EnsembleOptions"),
        "student.arch": str,
        "student.methods": list[str],
        "student.seeds": list[int],
        "student.train": named("learning.options", "TrainOptions"),
        "hard_cases": named("evaluation.hard_cases", "HardCaseOptions"),
        "evaluation": named("evaluation.options", "EvaluationOptions"),
        "deploy": named("deploy.options", "DeployOptions"),
        "latency": named("deploy.options", "LatencyOptions"),
    }


def _only(values: dict[str, Any], known: set[str], key: str, path: Path) -> None:
    for name in values:
        if name not in known:
            raise ParamsError("Unknown key.", where=f"{path}: {key}.{name}", expected=", ".join(sorted(known)))
