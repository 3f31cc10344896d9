"""The terms of use that a data set's descriptor states; apart from `descriptor`, whose checks need
every reader there is.
"""

from pathlib import Path

from fer_core.base.errors import DataError
from fer_core.base.files import read_json

__all__ = ["read_licence"]


def read_licence(path: Path) -> str:
    """Terms of use of a data set, as its descriptor `data/sources/<name>.json` states them.

    Raises:
        ArtifactError: the descriptor is missing or not JSON.
        DataError: it states none.
    """
    values = read_json(path)
    licence = values.get("licence") if isinstance(values, dict) else None
    if not isinstance(licence, str) or not licence.strip():
        raise DataError(
            "This data set does not state its terms of use.",
            where=path,
            expected="licence: a text",
            remedy="add the key",
        )
    return licence.strip()
