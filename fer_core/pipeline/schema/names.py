"""Names that people choose: each is given once, can be part of a path, and is free."""

import re
from pathlib import Path
from typing import Any

from fer_core.pipeline.schema.faults import refuse

__all__ = ["check_names"]

_ENTRIES = frozenset({"best_single", "ensemble", "oracle", "per_class", "per_source", "uniform"})
"""Entries of the leaderboard beside the teachers and students."""


def check_names(params: dict[str, Any], path: Path) -> None:
    """Names of teachers and students become keys of stages and folders of `data/`, where teachers
    and students lie side by side.
    """
    student = params["student"]
    for name in ("methods", "seeds"):
        values = student[name]
        refuse(
            sorted({value for value in values if values.count(value) > 1}),
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
        refuse(
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
        refuse(
            [name for name in names if re.fullmatch(r"[A-Za-z0-9_]+", name) is None],
            "This is no name.",
            f"{path}: {key}",
            expected="letters, digits and _",
            remedy="rename it",
        )
    refuse(
        sorted(_ENTRIES & set(params["teachers"])),
        "The leaderboard has an entry of this name already.",
        f"{path}: teachers",
        remedy="rename it",
    )
