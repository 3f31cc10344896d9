"""Faces without labels: somebody learns from them."""

from pathlib import Path
from typing import Any

from fer_core.pipeline.schema.faults import refuse
from fer_core.pipeline.schema.methods import learns_from_teachers

__all__ = ["check_unlabelled"]


def check_unlabelled(params: dict[str, Any], path: Path) -> None:
    """Faces without labels have teachers' answers as targets, so somebody must learn from these."""
    student = params["student"]
    if student.get("unlabelled") is None:
        return
    taught = [name for name in student["methods"] if learns_from_teachers(params, name)]
    refuse(
        [] if taught else student["methods"],
        "Faces without labels teach nobody: no method learns from teachers.",
        f"{path}: student.unlabelled",
        expected="a method such as kd or dkd under student.methods",
        remedy="add one, or remove the section student.unlabelled",
    )
    refuse(
        [name for name in student["unlabelled"].get("methods") or [] if name not in taught],
        "No student of this method could learn from faces without labels.",
        f"{path}: student.unlabelled.methods",
        expected=", ".join(taught),
        remedy="name methods of student.methods that learn from teachers",
    )
