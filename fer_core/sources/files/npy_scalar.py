"""The only value of a small numpy file: text or a whole number. Nothing is unpickled."""

import io
from tokenize import TokenError

import numpy as np

from fer_core.base.errors import DataError
from fer_core.sources.files.label_files import read_whole
from fer_core.sources.files.tree import RawTree

__all__ = ["read_scalar"]

_LARGEST = 4096  # bytes of a file: those of one short text have 132
_SHOWN = 120
_FAULTS = (
    ValueError,
    TypeError,
    SyntaxError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    SystemError,
    TokenError,
)
"""What numpy raises on damaged files."""


def read_scalar(tree: RawTree, name: str) -> str:
    """The value of an array without dimensions, or with one element, of text, bytes or whole
    numbers; a number as text.

    Raises:
        DataError: the file is missing, damaged, larger than 4 KB, no such array, or holds objects;
            names it.
    """
    data = read_whole(tree, name, _LARGEST)
    stream = io.BytesIO(data)
    try:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if array.dtype.kind not in "USiu" or array.shape not in ((), (1,)):
            raise ValueError(f"{array.dtype} {array.shape}")
        if stream.tell() != len(data):
            raise ValueError("the file goes on behind its array")
        value = array.item()
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    except _FAULTS as error:
        raise DataError(
            "This is no numpy file with one text or whole number.",
            where=tree.where(name),
            found=f"{len(data)} bytes, {str(error)[:_SHOWN]}",
            expected="a numpy array of one text or whole number, as np.save writes it",
            remedy="fetch the file again",
        ) from error
