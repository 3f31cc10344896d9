"""Which model reads which section of params.yaml."""

from collections.abc import Mapping
from importlib import import_module
from types import GenericAlias
from typing import Any

from fer_core.base.params import Arch, Seed, Threads
from fer_core.outside.described.options import OutsideEntry
from fer_core.pipeline.dag.keys import loss_of
from fer_core.pipeline.schema.methods import unlisted_methods

__all__ = ["models", "models_of", "optional_models"]


def models_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Model of every section that a parameter file has, the methods' and optional ones too."""
    loss_class = import_module("fer_core.training.students.loss").loss_class
    methods = {
        f"student.{name}": loss_class(loss_of(dict(params), name))
        for name in sorted({*params["student"]["methods"], *unlisted_methods(params["student"])})
    }
    return {**models(), **optional_models(), **methods}


def models() -> dict[str, Any]:
    """Model of every section but the methods'; modules are imported here, when a file is really
    checked.
    """

    def named(module: str, name: str) -> Any:
        return getattr(import_module(f"fer_core.{module}"), name)

    return {
        "seed": Seed,
        "clean": named("sources.catalogue.options", "CleanOptions"),
        "manifest": named("dataset.assembly.options", "ManifestOptions"),
        "sets": named("dataset.pack.named_sets", "NamedSets"),
        "validate": named("dataset.gate.validation", "ValidateOptions"),
        "pack": named("dataset.pack.pack", "PackOptions"),
        "preprocessing": named("pixels.preprocessing", "Preprocessing"),
        "views": named("images.views", "ViewOptions"),
        "init": named("models.initial.options", "InitOptions"),
        "teacher": named("training.loop.options", "TeacherOptions"),
        "teachers": GenericAlias(
            dict, (str, named("models.initial.options", "TeacherEntry") | OutsideEntry)
        ),
        "ensemble": named("evaluation.ensemble.fusion", "EnsembleOptions"),
        "student.arch": Arch,
        "student.methods": list[str],
        "student.seeds": list[Seed],
        "student.train": named("training.loop.options", "StudentTrainOptions"),
        "hard_cases": named("evaluation.boards.hard_cases", "HardCaseOptions"),
        "trust.selective": named("evaluation.selective.options", "SelectiveOptions"),
        "trust.robustness": named("evaluation.robustness.robustness", "RobustnessOptions"),
        "trust.fairness": named("evaluation.fairness.fairness", "FairnessOptions"),
        "trust.ambiguity": named("evaluation.ambiguity.ambiguity", "AmbiguityOptions"),
        "evaluation": named("evaluation.metrics.options", "EvaluationOptions"),
        "deploy": named("export.onnx.options", "DeployOptions"),
        "latency": named("export.onnx.options", "LatencyOptions"),
    }


def optional_models() -> dict[str, Any]:
    """Model of every section that a parameter file may leave out."""
    options = import_module("fer_core.training.loop.options")
    teaching = import_module("fer_core.evaluation.ensemble.teaching")
    return {
        "cpu_threads": Threads,
        "labels": import_module("fer_core.base.absent").LabelOptions,
        "teacher_b": options.TeacherBOptions,
        "adapt": import_module("fer_core.training.adaptation.options").AdaptOptions,
        "targets": teaching.TargetOptions,
        "cross_dataset": import_module("fer_core.training.crossdata.options").CrossDatasetOptions,
        "crossval": import_module("fer_core.evaluation.crossval.crossval").CrossvalOptions,
        "student.preprocessing": options.Resolution,
        "student.init": options.SavedStudent,
        "student.mirror": bool,
        "student.trials": dict[str, int],
        "student.unlabelled": import_module(
            "fer_core.dataset.unlabelled.selection"
        ).UnlabelledOptions,
    }
