"""Class names of detection data, from its `data.yaml`: names decide what an id means, for copies
number the same classes differently.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, class_index
from fer_core.sources.files.label_files import open_table
from fer_core.sources.files.tree import RawTree

__all__ = ["read_class_names"]

_LARGEST = 65536  # bytes of the file
_DEEPEST = 8  # lists inside each other
_MOST = 1000  # names
_LONGEST = 64  # characters of a name
_SHOWN = 120  # characters of what an error shows
_EXPECTED = "names: a list, or a mapping from ids 0, 1, … to names; nc, if there, is their number"


def read_class_names(tree: RawTree, name: str) -> list[str]:
    """The names in the order of their ids.

    Raises:
        DataError: the file is missing, damaged, too large or no plain YAML (anchors and aliases are
            refused); it holds no names, not as many as `nc` says, one that is no text, two for one
            class, or none of the seven classes.
    """
    file = tree.where(name)
    document = _document(_text(tree, name), file)
    if not isinstance(document, dict) or "names" not in document:
        keys = ", ".join(map(str, document)) if isinstance(document, dict) else ""
        raise _faulty("There are no class names.", file, f"keys {keys}" if keys else "no keys")
    names = _in_order(document["names"], file)
    if "nc" in document and document["nc"] != str(len(names)):
        raise _faulty(
            "There are not as many class names as nc says.",
            file,
            f"nc: {document['nc']}, {len(names)} names",
        )
    known: dict[object, str] = {}
    for word in names:
        index = class_index(word)
        meaning = word.lower() if index is None else index
        if meaning in known:
            problem = f"Two class names mean {word.lower() if index is None else CLASSES[index]}."
            raise _faulty(problem, file, f"{known[meaning]!r} and {word!r}")
        known[meaning] = word
    if not any(isinstance(meaning, int) for meaning in known):
        raise _faulty("None of the names is one of the seven classes.", file, ", ".join(names))
    return names


def _text(tree: RawTree, name: str) -> str:
    file = tree.where(name)
    with open_table(tree, name) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _faulty("The file is too large.", file, f"more than {_LARGEST} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _faulty("The file is not text.", file, error) from error


def _document(text: str, file: Path) -> Any:
    """The YAML document with all its scalars as text: nothing in it can become another object, or
    grow.

    Raises:
        DataError: not YAML, a key twice, an anchor or alias, or too many lists inside each other.
    """
    yaml = YAML(typ="base", pure=True)
    depth = 0
    try:
        for event in yaml.parse(text):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > _DEEPEST:
                raise _faulty(
                    "Too many lists lie inside each other.", file, f"more than {_DEEPEST}"
                )
            if isinstance(event, NodeEvent) and event.anchor is not None:
                raise _faulty("Anchors and aliases are not read.", file, repr(event.anchor))
        return yaml.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = file if mark is None else f"{file}, line {mark.line + 1}"
        raise _faulty(
            "This is not YAML.",
            where,
            getattr(error, "problem", None) or "characters that YAML does not allow",
        ) from error


def _in_order(value: Any, file: Path) -> list[str]:
    """Names of a list, or of a mapping whose keys are 0 to the number of names, in any order."""
    if isinstance(value, dict):
        ids = [str(number) for number in range(len(value))]
        if set(value) != set(ids):
            raise _faulty(
                "The ids of the class names are not 0, 1, ….", file, ", ".join(map(str, value))
            )
        value = [value[number] for number in ids]
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        raise _faulty("There are no class names.", file, f"names: {value}")
    for word in value:
        if (
            not isinstance(word, str)
            or not word.strip()
            or not word.isprintable()
            or len(word) > _LONGEST
        ):
            raise _faulty("A class name is no short text.", file, word)
    return [word.strip() for word in value]


def _faulty(problem: str, where: object, found: object) -> DataError:
    text = "".join(char if char.isprintable() else "?" for char in str(found))
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
    return DataError(
        problem,
        where=where,
        found=short,
        expected=_EXPECTED,
        remedy="mend the file, or fetch it again",
    )
