"""The whole of params.yaml: which model reads which section. Stages check the section they use;
people want all faults at once.
"""

import re
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from types import GenericAlias
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.params import (
    OPTIONAL_SECTIONS,
    SECTIONS,
    Arch,
    Seed,
    Threads,
    parse_section,
)
from fer_core.base.paths import NONE_LEFT_OUT
from fer_core.outside.described.options import OutsideEntry, is_outside
from fer_core.pipeline.keys import (
    DESCRIPTORS,
    chain_of,
    folds_of,
    is_guided,
    loss_of,
    needs_of,
    trained_teachers,
)

__all__ = ["check_methods", "check_params", "check_sources", "models_of"]

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
    _refuse(missing, "Sections are missing.", path)
    student, deploy, teachers = params["student"], params["deploy"], params["teachers"]
    for key, model in _models().items():
        if key != "teachers":
            _check(params, key, model, path)
    parse_section("teachers", teachers, dict[str, dict[str, Any]], path)
    trained_here = import_module("fer_core.models.initial.options").TeacherEntry
    for tag, entry in teachers.items():
        model = OutsideEntry if is_outside(entry) else trained_here
        parse_section(f"teachers.{tag}", entry, model, path)
    _check_names(params, path)
    known = {
        "arch",
        "init",
        "methods",
        "mirror",
        "preprocessing",
        "seeds",
        "set",
        "train",
        "trials",
        "unlabelled",
    }
    known |= set(student["methods"]) | _unlisted_methods(student)
    for name in student:
        if name not in known:
            raise ParamsError(
                "Unknown key.", where=f"{path}: student.{name}", expected=", ".join(sorted(known))
            )
    of_b = any(entry.get("stage") == "b" for entry in teachers.values())
    for key, model in _optional_models().items():
        section, _, name = key.rpartition(".")
        if name in (params[section] if section else params) or (key == "teacher_b" and of_b):
            _check(params, key, model, path)
    _check_sets(params, path)
    _check_adapt(params, path)
    _check_crossval(params, path)
    _check_unlabelled(params, path)
    _check_cross_dataset(params, path)
    _check_outside(params, path)
    of_stage = import_module("fer_core.training.loop.options").stage_options
    for tag, entry in trained_teachers(params).items():
        for stage in "ab" if entry.get("stage") == "b" else "a":
            of_stage(params, tag, stage, path)
    ensemble = parse_section("ensemble", params["ensemble"], _models()["ensemble"], path)
    for name, given in ensemble.weightings.items():
        given.of_teachers(list(teachers), name)
    teaching = import_module("fer_core.evaluation.ensemble.teaching")
    targets = parse_section("targets", params.get("targets") or {}, teaching.TargetOptions, path)
    teaching.check_weights(targets.weights, ensemble.kinds, (*ensemble.weightings, *teachers))
    _check_changed(params, path)
    keys = [f"{method}-{seed}" for method in student["methods"] for seed in student["seeds"]]
    _refuse(
        {deploy["student"]} - set(keys),
        "There is no such student to deploy.",
        f"{path}: deploy.student",
        expected=", ".join(keys),
        remedy="name one of them, METHOD-SEED, or add its method and seed to student.methods and "
        "student.seeds",
    )
    _refuse(
        [tag for tag in deploy.get("teachers", []) if tag not in trained_teachers(params)],
        "There is no such teacher to export.",
        f"{path}: deploy.teachers",
        expected=", ".join(trained_teachers(params)),
        remedy="name teachers that are trained here; one from elsewhere has no weights to export",
    )


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
        _refuse(
            missing,
            "A listed data set has no descriptor.",
            f"{path}: {key}",
            expected=", ".join(sorted(known)) or f"a file in {DESCRIPTORS}",
            remedy=f"correct the name, or `fer data add {(missing or [''])[0]} PATH` with the "
            "folder that holds it",
        )
    for tag, entry in params["teachers"].items():
        file = entry.get("onnx") or entry.get("logits")
        _refuse(
            [file] if is_outside(entry) and not Path(file).is_file() else [],
            "The file of a teacher from elsewhere is missing.",
            f"{path}: teachers.{tag}",
            expected="a file in the project's folder, known to git or DVC",
            remedy="put it there, or take the teacher out",
        )


def check_methods(params: dict[str, Any], path: Path) -> None:
    """Check the options of every method in `student.methods`; apart from the rest because the
    methods' modules import torch.

    Raises:
        ParamsError: options are missing or do not fit, mixup is asked for with a method that has
            stored targets, or doubted labels without teachers that could doubt.
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
        if getattr(loss, "doubt", None) and trained_teachers(params) and folds_of(params) < 2:
            raise ParamsError(
                "The teachers learned from these labels, so they cannot doubt them.",
                where=f"{path}: student.{method}.doubt",
                found=f"teacher.folds: {folds_of(params)}",
                expected="teacher.folds of 2 or more: each train row is then answered by a teacher "
                "that left it out",
                remedy="set teacher.folds to 5, say, or take doubt out",
            )


def models_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Model of every section that a parameter file has, the methods' and optional ones too."""
    loss_class = import_module("fer_core.training.students.loss").loss_class
    methods = {
        f"student.{name}": loss_class(loss_of(dict(params), name))
        for name in sorted({*params["student"]["methods"], *_unlisted_methods(params["student"])})
    }
    return {**_models(), **_optional_models(), **methods}


def _unlisted_methods(student: Mapping[str, Any]) -> set[str]:
    """Sections of methods that are not trained: known by a loss's name, their options unread."""
    losses = {file.stem for file in (_CODE / "fer_core/training/losses").glob("[!_]*.py")}
    return {
        name
        for name, section in student.items()
        if isinstance(section, dict)
        and section.get("method", name) in losses
        and name not in student["methods"]
    }


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
    for name in ("methods", "seeds"):
        _refuse(
            sorted({value for value in student[name] if student[name].count(value) > 1}),
            "A value is given twice.",
            f"{path}: student.{name}",
            expected="each once",
            remedy="remove one",
        )
    models = [*params["teachers"], *student["methods"]]
    for key, names in (
        ("manifest.sources", params["manifest"]["sources"]),
        ("teachers and student.methods", models),
        ("sets", params["sets"]),
    ):
        lower = [str(name).lower() for name in names]
        _refuse(
            [name for name in names if lower.count(str(name).lower()) > 1],
            "Names differ only in case.",
            f"{path}: {key}",
            expected="names that are files of their own on macOS and Windows too",
            remedy="rename one",
        )
    for key, names in (
        ("manifest.sources", params["manifest"]["sources"]),
        ("student.methods", student["methods"]),
        ("teachers", params["teachers"]),
        ("sets", params["sets"]),
    ):
        _refuse(
            [name for name in names if re.fullmatch(r"[A-Za-z0-9_]+", name) is None],
            "This is no name.",
            f"{path}: {key}",
            expected="letters, digits and _",
            remedy="rename it",
        )
    _refuse(
        sorted(_ENTRIES & set(params["teachers"])),
        "The leaderboard has an entry of this name already.",
        f"{path}: teachers",
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
        needs = needs_of(loss_of(params, method), _CODE)
        _refuse(
            [method] if needs.of_teachers and not params["teachers"] else [],
            "A method learns from teachers, and there are none.",
            f"{path}: student.methods",
            expected="methods of labels alone, such as ce, where `teachers: {}`",
            remedy="take it off student.methods, or name teachers under `teachers`",
        )


def _check_sets(params: dict[str, Any], path: Path) -> None:
    """Every named set that is asked for must be declared and be of the right half, and every source
    that a set names must be listed.
    """
    module = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], module.NamedSets, path)
    listed = params["manifest"]["sources"]
    for name, chosen in sets.items():
        _refuse(
            sorted(set(chosen.sources or []) - set(listed)),
            "A named set is of a data set that is not listed.",
            f"{path}: sets.{name}.sources",
            expected=f"some of manifest.sources: {', '.join(listed)}",
            remedy="correct the name, add the data set to manifest.sources, or remove the set",
        )
    asked = params["evaluation"]["compare_set"]
    evaluated = module.evaluated_sets(sets)
    _refuse(
        sorted(_DEV_SETS & set(evaluated)),
        "Every evaluation has a set of this name already.",
        f"{path}: sets",
        remedy="rename it",
    )
    _refuse(
        [name for name in ([asked] if isinstance(asked, str) else asked) if name not in evaluated],
        "There is no named set of test rows to compare on.",
        f"{path}: evaluation.compare_set",
        expected=f"some of {', '.join(evaluated)}" if evaluated else "a set of test rows",
        remedy="correct the name, or declare the set under sets",
    )
    packed = params["pack"].get("train_sets")
    for name in packed or []:
        module.train_set_of(name, sets)
    trained = trained_teachers(params)
    learning = {
        "teacher": bool(trained),
        "teacher_b": any(entry.get("stage") == "b" for entry in trained.values()),
        "student": True,
    }
    for section in [name for name, learns in learning.items() if learns and name in params]:
        name = params[section].get("set")
        if name is not None:
            module.train_set_of(name, sets)
        _refuse(
            [name or "all train rows"] if packed and name not in packed else [],
            "Only some train rows are packed, and this section learns from others.",
            f"{path}: {section}.set",
            expected=f"some of pack.train_sets: {', '.join(packed or [])}",
            remedy="name one of them, add the set to pack.train_sets, or take pack.train_sets out",
        )


def _check_adapt(params: dict[str, Any], path: Path) -> None:
    """Adaptation learns from listed data sets and is judged on sets of test rows."""
    adapt = params.get("adapt")
    own_labels = (params["clean"].get("webcam_session") or {}).get("self_label")
    if adapt is None:
        _refuse(
            ["no section adapt"] if own_labels else [],
            "Self-labelled faces are for adaptation alone.",
            f"{path}: clean.webcam_session.self_label",
            remedy="add the section adapt, or take self_label out",
        )
        return
    named_sets = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], named_sets.NamedSets, path)
    for name, asked, known in (
        ("sources", adapt["sources"], params["manifest"]["sources"]),
        ("sets", adapt.get("sets") or [], named_sets.evaluated_sets(sets)),
    ):
        _refuse(
            sorted(set(asked) - set(known)),
            "Adaptation names something that is not there.",
            f"{path}: adapt.{name}",
            expected=", ".join(known),
            remedy="correct the name, or declare it under manifest.sources or sets",
        )
    if packed := params["pack"].get("train_sets"):
        _refuse(
            [one for one in adapt["sources"] if not any(sets[n].may_hold(one) for n in packed)],
            "Adaptation learns from a data set that is not packed.",
            f"{path}: adapt.sources",
            expected=f"sources of pack.train_sets: {', '.join(packed)}",
            remedy="add a named set of its train rows to pack.train_sets, or take that key out",
        )
    for section in ("teacher", "teacher_b", "student"):
        if not own_labels or section not in params:
            continue
        chosen = sets.get(params[section].get("set"), named_sets.SetFilter())
        _refuse(
            [source for source in adapt["sources"] if chosen.may_hold(source)],
            "Self-labelled faces would be learnt from as if people had labelled them.",
            f"{path}: {section}.set",
            expected="a named set of train rows without these data sets",
            remedy="declare one under sets, or take clean.webcam_session.self_label out",
        )


def _check_crossval(params: dict[str, Any], path: Path) -> None:
    """Cross-validation repeats trainings on labels alone: the teachers that are there have seen the
    faces that it holds out.
    """
    if params.get("crossval") is None:
        return
    chain = chain_of(params, params["deploy"]["student"].rpartition("-")[0])
    _refuse(
        [name for name in chain if needs_of(loss_of(params, name), _CODE).of_teachers],
        "The deployed student cannot be cross-validated: a method of its chain learns from "
        "teachers.",
        f"{path}: crossval",
        expected="a student of methods of labels alone, such as ce, under deploy.student",
        remedy="remove the section crossval, or deploy another student",
    )


def _check_unlabelled(params: dict[str, Any], path: Path) -> None:
    """Faces without labels have teachers' answers as targets, so somebody must learn from these."""
    student = params["student"]
    if student.get("unlabelled") is None:
        return
    taught = [
        name for name in student["methods"] if needs_of(loss_of(params, name), _CODE).of_teachers
    ]
    _refuse(
        [] if taught else student["methods"],
        "Faces without labels teach nobody: no method learns from teachers.",
        f"{path}: student.unlabelled",
        expected="a method such as kd or dkd under student.methods",
        remedy="add one, or remove the section student.unlabelled",
    )
    _refuse(
        [name for name in student["unlabelled"].get("methods") or [] if name not in taught],
        "No student of this method could learn from faces without labels.",
        f"{path}: student.unlabelled.methods",
        expected=", ".join(taught),
        remedy="name methods of student.methods that learn from teachers",
    )


def _check_cross_dataset(params: dict[str, Any], path: Path) -> None:
    """Data sets left out must be learned from otherwise, and nothing else may have seen them."""
    options = import_module("fer_core.training.crossdata.options")
    section = options.CrossDatasetOptions.model_validate(params.get("cross_dataset") or {})
    if not section.left_out:
        return
    listed, known = params["manifest"]["sources"], options.learned_sources(params)
    where, student, method = f"{path}: cross_dataset", params["student"], section.method
    asked = known if section.left_out == "all" else section.left_out
    _refuse(
        [name for name in asked if name not in listed],
        "A data set to leave out is not listed.",
        f"{where}.left_out",
        expected=f"some of manifest.sources: {', '.join(listed)}, or all",
    )
    trained = [name for name in listed if name not in params["manifest"].get("eval_only", [])]
    _refuse(
        known if len(known) == 1 < len(trained) else [],
        f"The named set {student.get('set')} that students learn from is empty without a data set.",
        f"{where}.left_out",
        expected="a student.set of several data sets",
        remedy="widen the set, or remove the section cross_dataset",
    )
    _refuse(
        [name for name in asked if name not in known],
        "A data set to leave out is one that students do not learn from in any case.",
        f"{where}.left_out",
        expected=", ".join(known),
        remedy="take it off the list; its test rows are a column of the matrix all the same",
    )
    _refuse(
        [name for name in listed if name.lower() == NONE_LEFT_OUT],
        "A data set has the name of the training that leaves none out.",
        f"{path}: manifest.sources",
        remedy="rename it, or remove the section cross_dataset",
    )
    _refuse(
        [] if method in student["methods"] else [method],
        "There is no such method to train with.",
        f"{where}.method",
        expected=f"one of student.methods: {', '.join(student['methods'])}",
    )
    _refuse(
        [section.seeds] if section.seeds > len(student["seeds"]) else [],
        "There are not as many seeds.",
        f"{where}.seeds",
        expected=f"at most {len(student['seeds'])}, the number of student.seeds",
    )
    taught = needs_of(loss_of(params, method), _CODE).of_teachers or is_guided(params, method)
    start = (student.get(method) or {}).get("start")
    reasons = {
        "teachers, and they have seen": taught,
        f"a student of {start}, which has seen": start is not None,
        "the saved student of student.init, which may have seen": student.get("init") is not None,
    }
    _refuse(
        [f"{method} goes by {why} the data set left out" for why, so in reasons.items() if so],
        "This method would know a data set although it is left out.",
        f"{where}.method",
        expected="a method of labels alone that starts from initial weights, such as ce",
        remedy="name another method, or remove the section cross_dataset",
    )


def _check_outside(params: dict[str, Any], path: Path) -> None:
    """What is stated of teachers from elsewhere is on data sets and sets that there are, on every
    data set, and nobody needs their weights.
    """
    named_sets = import_module("fer_core.dataset.pack.named_sets")
    sets = parse_section("sets", params["sets"], named_sets.NamedSets, path)
    sources, evaluated = params["manifest"]["sources"], named_sets.evaluated_sets(sets)
    outside = {tag: entry for tag, entry in params["teachers"].items() if is_outside(entry)}
    for tag, entry in outside.items():
        stated = entry["overlap"]
        if isinstance(stated, str):
            continue
        where = f"{path}: teachers.{tag}.overlap"
        _refuse(
            [name for name in stated if name not in (*sources, *evaluated)],
            "There is no such data set or set of test rows.",
            where,
            expected=", ".join(dict.fromkeys((*sources, *evaluated))),
            remedy="correct the name",
        )
        _refuse(
            [name for name in sources if name not in stated],
            "Nothing is stated about some data sets.",
            where,
            expected="none, part, all or unknown for each of manifest.sources",
            remedy="state it; `unknown` where nobody knows",
        )
    _refuse(
        list(outside) if params["student"].get("unlabelled") else [],
        "Faces without labels are asked of teachers that are trained here alone.",
        f"{path}: student.unlabelled",
        remedy="remove the section student.unlabelled, or these teachers",
    )


def _check_changed(params: dict[str, Any], path: Path) -> None:
    """Each method's own learning rate and epochs must go with the rest of `student.train`."""
    options = import_module("fer_core.training.loop.options").StudentTrainOptions
    for method in params["student"]["methods"]:
        section = params["student"].get(method)
        own = section if isinstance(section, dict) else {}
        changes = {name: own.get(name) for name in ("lr", "trainable")}
        changes["epochs"] = own.get("extra_epochs")
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


def _optional_models() -> dict[str, Any]:
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


def _refuse(
    wrong: Collection[Any],
    problem: str,
    where: object,
    *,
    expected: str | None = None,
    remedy: str | None = None,
) -> None:
    """Raise an error that names what was found wrong, if anything was."""
    if wrong:
        found = ", ".join(map(str, wrong))
        raise ParamsError(problem, where=where, found=found, expected=expected, remedy=remedy)
