"""Class names of detection data, from its `data.yaml`: names decide what an id means, because
copies number the same classes differently.
"""

from pathlib import Path
from typing import Any

from fer_core.base.errors import DataError
from fer_core.base.labels import CLASSES, class_index
from fer_core.base.reading import parse_yaml
from fer_core.sources.files.label_files import read_whole
from fer_core.sources.files.tree import RawTree

__all__ = ["read_class_names"]

_LARGEST = 65536  # bytes of the file
_MOST = 1000  # names
_LONGEST = 64  # characters of a name
_SHOWN = 120  # characters of what an error shows
_EXPECTED = "names: a list, or a mapping from ids 0, 1, … to names; nc, if there, is their number"


def read_class_names(tree: RawTree, name: str) -> list[str]:
    """The names in the order of their ids.

    Raises:
        DataError: the file is missing, damaged, too large or no plain YAML; it holds no names, not
            as many as `nc` says, one that is no text, two for one class, or none of the seven
            classes.
    """
    file = tree.where(name)
    document = _document(tree, name)
    if not isinstance(document, dict) or "names" not in document:
        keys = ", ".join(map(str, document)) if isinstance(document, dict) else ""
        raise _faulty("There are no class names.", file, f"keys {keys}" if keys else "no keys")
    names = _in_order(document["names"], file)
    if "nc" in document and str(document["nc"]) != str(len(names)):
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


def _document(tree: RawTree, name: str) -> Any:
    """The YAML document.

    Raises:
        DataError: the file is missing, too large, no text or no plain YAML.
    """
    file = tree.where(name)
    data = read_whole(tree, name, _LARGEST)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _faulty("The file is not text.", file, error) from error
    return parse_yaml(text, str(file), "file", DataError)


def _in_order(value: Any, file: Path) -> list[str]:
    """Names of a list, or of a mapping whose keys are 0 to the number of names, in any order."""
    if isinstance(value, dict):
        value = {str(number): word for number, word in value.items()}
        ids = [str(number) for number in range(len(value))]
        if set(value) != set(ids):
            raise _faulty("The ids of the class names are not 0, 1, ….", file, ", ".join(value))
        value = [value[number] for number in ids]
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        raise _faulty("There are no class names.", file, f"names: {value}")
    # YAML takes some words for other things
    words = ["null" if word is None else word for word in value]
    for word in words:
        text = "" if isinstance(word, list | dict) else str(word)
        if not (text.strip() and text.isprintable() and len(text) <= _LONGEST):
            raise _faulty("A class name is no short text.", file, word)
    return [str(word).strip() for word in words]


def _faulty(problem: str, where: object, found: object) -> DataError:
    text = "".join(char if char.isprintable() else "?" for char in str(found))
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
    return DataError(
        problem,
        where=where,
        found=short,
        expected=_EXPECTED,
        remedy="correct the file, or fetch it again",
    )
