"""YAML and TOML of people, read so that no file can crash, hang or fill the program.

YAML is read by PyYAML's safe C loader with the rules of YAML 1.2, as DVC reads it: `1e-3` is a
number and `no` a word. Keys may not be given twice, values not be infinite, and size, depth and
aliases are bounded before anything is built.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from fer_core.base.errors import FerError, ParamsError

__all__ = ["parse_yaml", "plain_values", "read_toml", "read_yaml"]

_LARGEST = 10_000_000
_DEEPEST = 50
_LONGEST_NUMBER = 100
_MOST_ALIASES = 20  # more could name a list exponentially often
_RESOLVERS = {
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}
"""Of each type of YAML 1.2's core schema: pattern, and the characters that it may begin with."""


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader with the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, list | dict) or key in values:
            what = "a key may not be a list or mapping" if isinstance(key, list | dict) else "twice"
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r}: {what}", key_node.start_mark
            )
        values[key] = loader.construct_object(value_node, deep=True)
    return values


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = node.value.lower().lstrip("+")
    if len(text) > _LONGEST_NUMBER:
        raise yaml.constructor.ConstructorError(
            None, None, f"a number of more than {_LONGEST_NUMBER} characters", node.start_mark
        )
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text[2:] if base != 10 else text, base)


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    if "n" in node.value.lower():
        raise yaml.constructor.ConstructorError(
            None, None, f"{node.value}: numbers must be finite", node.start_mark
        )
    return float(node.value)


for _tag, (_pattern, _first) in _RESOLVERS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def read_yaml(
    path: Path,
    what: str = "file",
    remedy: str = "check the path",
    error: type[FerError] = ParamsError,
) -> Any:
    """Read a YAML file as plain values.

    Args:
        path: the file.
        what: what it is, for the error text: "parameter file".
        remedy: where it is missing.
        error: class of the error.

    Raises:
        FerError: of that class: missing, no text, too large, or not YAML as described above.
    """
    return parse_yaml(_text(path, what, remedy, error), path, what, error)


def plain_values(text: str, loader: type[yaml.CSafeLoader] = yaml.CSafeLoader) -> Any:
    """What YAML holds, by one of PyYAML's safe loaders in C: plain values, never other objects.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    reader = loader(text)
    try:
        return reader.get_single_data()
    finally:
        reader.dispose()


def parse_yaml(
    text: str, where: object, what: str = "text", error: type[FerError] = ParamsError
) -> Any:
    """Parse YAML as plain values; `where` and `what` only serve the error text.

    Raises:
        FerError: of the given class.
    """
    try:
        _check_bounds(text)
        return plain_values(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise error(
            f"This {what} is not valid YAML.",
            where=where,
            found=fault,
            remedy="correct the line shown above",
        ) from fault


def read_toml(path: Path, what: str = "file", error: type[FerError] = ParamsError) -> Any:
    """Read a TOML file as plain values.

    Raises:
        FerError: of the given class: missing, no text, too large, or not TOML.
    """
    try:
        return tomllib.loads(_text(path, what, "check the path", error))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as fault:
        raise error(
            f"This {what} is not valid TOML.",
            where=path,
            found=fault,
            remedy="correct the line shown above",
        ) from fault


def _text(path: Path, what: str, remedy: str, error: type[FerError]) -> str:
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise error(
                f"This {what} is too large.",
                where=path,
                found=f"{size:,} bytes",
                expected=f"at most {_LARGEST:,}",
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as fault:
        raise error(f"The {what} is missing.", where=path, remedy=remedy) from fault
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"This {what} cannot be read as text.", where=path, found=fault) from fault


def _check_bounds(text: str) -> None:
    """Refuse depth and aliases before PyYAML, which recurses, builds anything."""
    depth = aliases = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > _DEEPEST or aliases > _MOST_ALIASES:
            raise ValueError(
                f"more than {_DEEPEST} levels or {_MOST_ALIASES} aliases\n{event.start_mark}"
            )
