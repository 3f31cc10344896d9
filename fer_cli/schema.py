"""The whole of params.yaml: which model reads which section. Stages check the section they use; people want all faults at once."""

from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.errors import ParamsError
from fer_core.params import SECTIONS, parse_section

__all__ = ["check_methods", "check_params"]


def check_params(params: dict[str, Any], path: Path) -> None:
    """Check every section of a parameter file against its model, the methods' options left out.

    Raises:
        ParamsError: a section is missing or does not fit, or keys within `student` or `teacher` are unknown.
    """
    missing = [name for name in SECTIONS if name not in params]
    if missing:
        raise ParamsError("Sections are missing.", where=path, found=", ".join(missing))
    for key, model in _models().items():
        _check(params, key, model, path)
    _only(params["teacher"], {"train", "head", "arcface"}, "teacher", path)
    _only(params["student"], {"arch", "methods", "seeds", "train", *params["student"]["methods"]}, "student", path)
    if params["deploy"]["student"] not in (keys := [f"{m}-{s}" for m in params["student"]["methods"] for s in params["student"]["seeds"]]):
        raise ParamsError(
            "There is no such student to deploy.", where=f"{path}: deploy.student", found=params["deploy"]["student"], expected=keys
        )


def check_methods(params: dict[str, Any], path: Path) -> None:
    """Check the options of every method in `student.methods`; apart from the rest because the methods' modules import torch.

    Raises:
        ParamsError: options are missing or do not fit.
    """
    for method in params["student"]["methods"]:
        _check(params, f"student.{method}", import_module(f"fer_core.learning.losses.{method}").Options, path)


def _check(params: dict[str, Any], key: str, model: Any, path: Path) -> None:
    values: Any = params
    for name in key.split("."):
        if not isinstance(values, dict) or name not in values:
            raise ParamsError("A section is missing.", where=f"{path}: {key}")
        values = values[name]
    parse_section(key, values, model, path)


def _models() -> dict[str, Any]:
    """Model of every section but the methods'; modules are imported here, when a file is really checked."""

    def named(module: str, name: str) -> Any:
        return getattr(import_module(f"fer_core.{module}"), name)

    train = named("learning.options", "TrainOptions")
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
        "teacher.train": train,
        "teacher.head": named("models.options", "TeacherHead"),
        "teacher.arcface": named("models.options", "ArcFaceOptions"),
        "teachers": named("models.options", "Teachers"),
        "ensemble": named("evaluation.fusion", "EnsembleOptions"),
        "student.arch": str,
        "student.methods": list[str],
        "student.seeds": list[int],
        "student.train": train,
        "hard_cases": named("evaluation.hard_cases", "HardCaseOptions"),
        "evaluation": named("evaluation.options", "EvaluationOptions"),
        "deploy": named("deploy.options", "DeployOptions"),
        "latency": named("deploy.options", "LatencyOptions"),
    }


def _only(values: dict[str, Any], known: set[str], key: str, path: Path) -> None:
    for name in values:
        if name not in known:
            raise ParamsError("Unknown key.", where=f"{path}: {key}.{name}", expected=", ".join(sorted(known)))
