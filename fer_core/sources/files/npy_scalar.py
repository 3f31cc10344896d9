"""The only value of a small numpy file: text or a whole number. Nothing is unpickled, and no header
is evaluated.

The format is numpy's `.npy`, version 1.0: a magic string, the length of the header, a header that
is a Python dictionary, the data. numpy writes the dictionary in one way only, so that a pattern
reads it.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import open_table
from fer_core.sources.files.tree import RawTree

__all__ = ["read_scalar"]

_LARGEST = 4096  # bytes of a file: those of one short text have 132
_SHOWN = 120
_PREAMBLE = re.compile(
    rb"\x93NUMPY\x01\x00.."
    rb"\{'descr': '([<>|])([USiu])(\d{1,4})', 'fortran_order': (?:False|True), 'shape': \((?:1,)?\), \} *\n",
    re.DOTALL,
)


class _Kind(NamedTuple):
    """How a value is stored: `code` is numpy's, U, S, i or u; `size` in bytes."""

    code: str
    size: int
    order: Literal["little", "big"]


def read_scalar(tree: RawTree, name: str) -> str:
    """The value of an array without dimensions, or with one element, of text, bytes or whole
    numbers; a number as text.

    Raises:
        DataError: the file is missing, damaged, larger than 4 KB, no such array, or holds objects;
            names it.
    """
    file = tree.where(name)
    with open_table(tree, name) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _faulty("A file is too large for one value.", file, f"more than {_LARGEST} bytes")
    start = 10 + int.from_bytes(data[8:10], "little")
    preamble, value = data[:start], data[start:]
    kind = _kind(preamble)
    if kind is None:
        problem = (
            "A file holds pickled objects."
            if b"'|O'" in preamble
            else "This is no numpy file with one text or whole number."
        )
        raise _faulty(problem, file, f"{len(data)} bytes: {preamble[:_SHOWN].rstrip()!r}")
    if len(value) != kind.size:
        raise _faulty(
            "A file is not as long as its header says.",
            file,
            f"{len(value)} bytes of data, not {kind.size}",
        )
    if kind.code in "iu":
        return str(int.from_bytes(value, kind.order, signed=kind.code == "i"))
    encoding = f"utf-32-{kind.order[0]}e" if kind.code == "U" else "latin-1"
    try:
        return value.decode(encoding).rstrip("\0")
    except UnicodeDecodeError as error:
        raise _faulty("A value is not text.", file, error) from error


@lru_cache(maxsize=64)
def _kind(preamble: bytes) -> _Kind | None:
    """What stands before the data; a data set has very few of these. None where it is anything but
    one text or number.
    """
    match = _PREAMBLE.fullmatch(preamble)
    if match is None:
        return None
    order, code, length = (group.decode() for group in match.groups())
    return _Kind(code, int(length) * (4 if code == "U" else 1), "big" if order == ">" else "little")


def _faulty(problem: str, file: Path, found: object) -> DataError:
    expected = "a numpy array of one text or whole number, as np.save writes it"
    return DataError(
        problem, where=file, found=found, expected=expected, remedy="fetch the file again"
    )
