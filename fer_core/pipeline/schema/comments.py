"""Comments of a parameter file: what each key does and which values it takes, from the models that
check it. The text of a key is written once, in the docstring of its model.
"""

import inspect
import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase

from fer_core.base.absent import LabelOptions
from fer_core.base.errors import ParamsError
from fer_core.pipeline.schema.sections import models_of

__all__ = ["commented", "left_out", "with_absent"]

_WIDTH = 100
_LABELS = re.compile(r"\n(?:# .*\n)*labels:(?: .*)?\n(?:[ #].*\n)*")
_ENTRY = re.compile(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", re.M)
_PLAIN = {
    "seed": "Seed of everything random: splits, initial weights, teachers, the bootstrap. "
    "0 to 4294967295.",
    "cpu_threads": "Threads of one operation of a network on the CPU. Sums are split among them, "
    "so another number gives other last bits; 0 takes the machine's, for speed. GPUs ignore it.",
    "trust": "How far to trust the deployed student: what is tried, and when it has numbers.",
    "student": "The student networks: architecture, methods, seeds, and a section for each method.",
    "student.arch": "Name of the student's architecture: timm's; such a name and _firstN for its "
    "first N blocks (tf_efficientnet_lite0_first12); or resnet9_wN (N channels, 4 to 256), a small "
    "dense network for small faces.",
    "student.methods": "Training methods, each with a section below; docs/methods.md lists them.",
    "student.seeds": "Seeds; each method is trained once with each. 0 to 4294967295.",
    "student.set": "Named set of `sets` whose rows students learn from; if left out, "
    "all train rows.",
    "student.init": "Folder of a saved student of this architecture and preprocessing, with "
    "model.safetensors and model.json, that all students start from instead of initial weights.",
    "student.mirror": "Whether students answer for a face and its mirror image, averaged: better, "
    "at twice the cost. Measured and exported so; trainings do not change.",
    "student.trials": "Number of settings that were tried for each method; written by "
    "`fer tune apply`.",
}
_BOUNDS = (
    ("ge", "at least {}"),
    ("gt", "greater than {}"),
    ("le", "at most {}"),
    ("lt", "less than {}"),
)


def commented(text: str) -> str:
    """A parameter file with a comment above every key; values and their style stay.

    Args:
        text: of the file, valid by `check_params`.

    Raises:
        ParamsError: a key has no description.
    """
    params = YAML().load(text)
    _strip(params)
    models = models_of(params)
    lines = ["# Parameters of the pipeline; `fer profile comment` writes the comments.", ""]
    for section, node in params.items():
        lines += [*_described(section, node, models, 0), ""]
    return "\n".join(lines).rstrip() + "\n"


def with_absent(text: str, absent: Sequence[str]) -> str:
    """A parameter file whose section `labels` lists these absent classes; without the section where
    there is none. All else stays as it is.
    """
    rest = _LABELS.sub("", text).rstrip("\n") + "\n"
    if not absent:
        return rest
    node = YAML().load(f"[{', '.join(absent)}]")
    section = _described("labels", {"absent": node}, {"labels": LabelOptions}, 0)
    return rest + "\n" + "\n".join(section) + "\n"


def left_out(params: Mapping[str, Any]) -> dict[str, str]:
    """Every option that a parameter file does without, by its dotted name, with what it does.

    Args:
        params: all of a file, checked by `check_params`.
    """
    found: dict[str, str] = {}

    def collect(path: str, node: Mapping[str, Any], model: Any) -> None:
        for name, (text, inner) in _attributes(model).items():
            key = f"{path}.{name}"
            if name not in node:
                found[key] = text
            elif isinstance(node[name], Mapping):
                collect(key, node[name], inner)

    for section, model in models_of(params).items():
        node: Any = params
        for name in section.split("."):
            node = node.get(name) if isinstance(node, Mapping) else None
        collect(section, node if isinstance(node, Mapping) else {}, model)
    return found


def _strip(node: Any) -> None:
    """Take the comments off a loaded document."""
    if isinstance(node, CommentedBase):
        node.ca.comment = None
        node.ca.items.clear()
        node.ca.end = []
    for value in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        _strip(value)


def _described(path: str, node: Any, models: Mapping[str, Any], indent: int) -> Iterator[str]:
    """Lines of one key: its comment, then its value or the keys below it."""
    model = models.get(path)
    yield from _comment(_PLAIN.get(path) or _summary(model, path), indent)
    inside = {name for name in models if name.startswith(f"{path}.")}
    if isinstance(node, Mapping) and (inside or _attributes(model)):
        yield f"{' ' * indent}{path.rpartition('.')[2]}:"
        yield from _keys(path, node, models, indent + 2)
    else:
        yield from _value(path, node, indent)


def _keys(
    path: str, node: Mapping[str, Any], models: Mapping[str, Any], indent: int
) -> Iterator[str]:
    described = _attributes(models.get(path))
    for key, value in node.items():
        below = f"{path}.{key}"
        if below in models or below in _PLAIN:
            yield from _described(below, value, models, indent)
            continue
        if key not in described:
            raise ParamsError("A parameter has no description.", where=below)
        text, inner = described[key]
        yield from _comment(text, indent)
        if isinstance(value, Mapping) and _attributes(inner):
            yield f"{' ' * indent}{key}:"
            yield from _keys(below, value, {**models, below: inner}, indent + 2)
        else:
            yield from _value(below, value, indent)


def _value(path: str, node: Any, indent: int) -> Iterator[str]:
    yaml, stream = YAML(), io.StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({path.rpartition(".")[2]: node}, stream)
    for line in stream.getvalue().splitlines():
        yield " " * indent + line


def _comment(text: str, indent: int) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH - indent - 2, break_on_hyphens=False):
        yield f"{' ' * indent}# {line}"


def _documented(model: Any) -> bool:
    return inspect.isclass(model) and (issubclass(model, BaseModel) or is_dataclass(model))


def _summary(model: Any, path: str) -> str:
    """First sentence of a model; of entries of one model, what they are and their keys."""
    if get_origin(model) is dict and (entries := _entries(get_args(model)[1])):
        told = []
        for entry in entries:
            keys = "; ".join(
                f"{name}: {text.rstrip('.')}" for name, (text, _) in _attributes(entry).items()
            )
            told.append(f"{_summary(entry, path)} Keys of an entry: {keys}.")
        return " ".join(told)
    if not _documented(model) or not model.__doc__:
        raise ParamsError("A section has no description.", where=path)
    return _flat(inspect.cleandoc(model.__doc__).split("\n\n")[0])


def _attributes(model: Any) -> dict[str, tuple[str, Any]]:
    """Of each field of a model its text, with its range, and its own model if it has one."""
    if not _documented(model):
        return {}
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, block = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for names, text in _ENTRY.findall(block):
            texts |= dict.fromkeys(names.split(", "), _flat(text))
    if issubclass(model, BaseModel):
        kinds = {name: field.annotation for name, field in model.model_fields.items()}
        ranges = {name: _range(field.metadata) for name, field in model.model_fields.items()}
    else:
        kinds = get_type_hints(model)
        ranges = dict.fromkeys((field.name for field in fields(model)), "")
    return {
        name: (_sentence(texts[name]) + ranges[name], _own_model(kind))
        for name, kind in kinds.items()
        if name in texts
    }


def _own_model(kind: Any) -> Any:
    """The documented model of a field that may be None."""
    return next(iter(_entries(kind)), None)


def _entries(kind: Any) -> list[Any]:
    """The documented models among the choices of a type."""
    choices = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return [one for one in choices if _documented(one)]


def _range(metadata: list[Any]) -> str:
    found = [
        words.format(f"{getattr(bound, name):g}")
        for bound in metadata
        for name, words in _BOUNDS
        if getattr(bound, name, None) is not None
    ]
    return f" Range: {' and '.join(found)}." if found else ""


def _sentence(text: str) -> str:
    first = text.partition(" ")[0].rstrip(",;:")
    keep = len(first) == 1 or first == "timm"
    return (text[0] if keep else text[0].upper()) + text[1:].rstrip(".") + "."


def _flat(text: str) -> str:
    return " ".join(text.split())
