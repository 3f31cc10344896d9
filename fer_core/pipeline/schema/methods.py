"""Methods that students are trained by: their sections, options and teachers."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from fer_core.base.errors import ParamsError
from fer_core.base.params import parse_section
from fer_core.pipeline.dag.keys import folds_of, loss_of, needs_of, trained_teachers
from fer_core.pipeline.schema.faults import check_section, refuse

__all__ = [
    "check_changed",
    "check_method_sections",
    "check_methods",
    "check_student_keys",
    "learns_from_teachers",
    "unlisted_methods",
]

_CODE = Path(__file__).parents[3]
_STUDENT_KEYS = frozenset(
    {
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
        loss = check_section(params, f"student.{method}", loss_class(loss_of(params, method)), path)
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


def check_method_sections(params: dict[str, Any], path: Path) -> None:
    """A method's section is a mapping, and a method that learns from teachers has some."""
    student = params["student"]
    for method in student["methods"]:
        section = student.get(method, {})
        if not isinstance(section, dict):
            raise ParamsError(
                "A method's section holds no options.",
                where=f"{path}: student.{method}",
                found=section,
                expected="a mapping",
            )
        refuse(
            [method] if learns_from_teachers(params, method) and not params["teachers"] else [],
            "A method learns from teachers, and there are none.",
            f"{path}: student.methods",
            expected="methods of labels alone, such as ce, where `teachers: {}`",
            remedy="take it off student.methods, or name teachers under `teachers`",
        )


def check_student_keys(student: Mapping[str, Any], path: Path) -> None:
    """`student` holds its own keys and sections of methods, and nothing else."""
    known = _STUDENT_KEYS | set(student["methods"]) | unlisted_methods(student)
    for name in student:
        if name not in known:
            raise ParamsError(
                "Unknown key.", where=f"{path}: student.{name}", expected=", ".join(sorted(known))
            )


def check_changed(params: dict[str, Any], path: Path) -> None:
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


def unlisted_methods(student: Mapping[str, Any]) -> set[str]:
    """Sections of methods that are not trained: known by a loss's name, their options unread."""
    losses = {file.stem for file in (_CODE / "fer_core/training/losses").glob("[!_]*.py")}
    return {
        name
        for name, section in student.items()
        if isinstance(section, dict)
        and section.get("method", name) in losses
        and name not in student["methods"]
    }


def learns_from_teachers(params: dict[str, Any], method: str) -> bool:
    """Whether the answers of teachers are among what a method learns from.

    Raises:
        ParamsError: there is no loss for this method.
    """
    return needs_of(loss_of(params, method), _CODE).of_teachers
