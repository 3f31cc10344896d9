"""Typed reading of `params.yaml`.

A stage reads the file once (`Params.load()`) and asks for the sections it uses with the pydantic
models that live beside the sections' consumers: `params.section("preprocessing", Preprocessing)`.
Unknown key, wrong type and value out of
range are errors that name the key. This module knows the names of the sections and nothing of their
contents, so a new option never touches other stages.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fer_core.base.errors import ParamsError
from fer_core.base.reading import read_yaml

__all__ = [
    "OPTIONAL_SECTIONS",
    "PARAMS_FILE",
    "SECTIONS",
    "Arch",
    "Params",
    "Section",
    "Seed",
    "Threads",
    "each_once",
    "parse_section",
    "read_params",
]

PARAMS_FILE = Path("params.yaml")
SECTIONS = (
    "seed",
    "cpu_threads",
    "labels",
    "clean",
    "manifest",
    "sets",
    "validate",
    "pack",
    "preprocessing",
    "views",
    "init",
    "teacher",
    "teacher_b",
    "teachers",
    "ensemble",
    "targets",
    "student",
    "evaluation",
    "hard_cases",
    "trust",
    "crossval",
    "cross_dataset",
    "adapt",
    "deploy",
    "latency",
)
OPTIONAL_SECTIONS = (
    "cpu_threads",
    "labels",
    "teacher_b",
    "targets",
    "crossval",
    "cross_dataset",
    "adapt",
)
"""Sections that a file without a use for them leaves out."""

Threads = Annotated[int, Field(strict=True, ge=0, le=1024)]
"""Of one operation on the CPU; 0 takes the machine's."""

Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""A number that every generator takes as it is."""

Arch = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?$", max_length=100)]
"""timm's name of an architecture, with the tag of its weights after a dot; nothing that a shell or
a path would read as more.
"""

_REQUIRED = object()
Value = TypeVar("Value")


class Section(BaseModel):
    """Base of every section model: immutable, no unknown keys, defaults validated too."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def each_once(*needed: str) -> AfterValidator:
    """Validator of a list that gives no value twice and has all the needed ones."""

    def check(values: Any) -> Any:
        if len(set(values)) != len(values) or not set(needed) <= set(values):
            among = f", and {', '.join(needed)} among them" if needed else ""
            raise ValueError(f"expected each value once{among}")
        return values

    return AfterValidator(check)


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Read the whole file as plain values and check the names of its sections.

    Raises:
        ParamsError: file missing, not YAML, a key given twice, or a section that no stage knows.
    """
    values = read_yaml(path, "parameter file", "run from the project's root")
    if not isinstance(values, dict):
        raise ParamsError(
            "The parameter file holds no sections.", where=path, expected=", ".join(SECTIONS)
        )
    for key in values:
        if key not in SECTIONS:
            raise ParamsError(
                "Unknown section.",
                where=f"{path}: {key}",
                expected=", ".join(SECTIONS),
                remedy="correct or remove the key",
            )
    return values


@dataclass(frozen=True)
class Params:
    """The parameter file, read once.

    Attributes:
        values: all of its sections as plain values.
        path: where it was read from.
    """

    values: dict[str, Any]
    path: Path

    @classmethod
    def load(cls, path: Path = PARAMS_FILE) -> "Params":
        """Read the file.

        Raises:
            ParamsError: as `read_params`.
        """
        return cls(read_params(path), path)

    @overload
    def section(self, key: str, model: type[Value]) -> Value: ...
    @overload
    def section(self, key: str, model: Any, *, default: Any = ...) -> Any: ...

    def section(self, key: str, model: Any, *, default: Any = _REQUIRED) -> Any:
        """The section at a dotted key ("student.kd"), checked against its model (a pydantic model
        or any annotated type).

        Raises:
            ParamsError: the section is missing (and there is no default) or does not fit; names
                every offending key with its value.
        """
        values: Any = self.values
        for depth, name in enumerate(parts := key.split(".")):
            if not isinstance(values, dict) or name not in values:
                if default is not _REQUIRED:
                    return default
                raise ParamsError(
                    "A section is missing.",
                    where=f"{self.path}: {'.'.join(parts[: depth + 1])}",
                    remedy=f"add it to {self.path}",
                )
            values = values[name]
        return parse_section(key, values, model, self.path)


def parse_section(key: str, values: Any, model: type[Value], path: Path = PARAMS_FILE) -> Value:
    """Check plain values against a section's model; `key` and `path` only serve the error text."""
    try:
        return TypeAdapter(model).validate_python(values)
    except UnicodeEncodeError as error:
        raise ParamsError(
            "Parameters do not fit.", where=path, found=f"{key}: {error.reason}"
        ) from error
    except ValidationError as error:
        faults = [
            f"{'.'.join([key, *map(str, item['loc'])])}: {item['msg']} (found {item['input']!r})"
            for item in error.errors()
        ]
        raise ParamsError(
            "Parameters do not fit.",
            where=path,
            found="\n    ".join(["", *faults]).lstrip("\n"),
            remedy="correct the keys shown above",
        ) from error
