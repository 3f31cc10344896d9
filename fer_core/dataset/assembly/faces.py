"""The faces of the listed data sets: what is decided by, of all of them at once, and what else is
recorded of some.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fer_core.base.errors import DataError, ParamsError
from fer_core.dataset.store.store import STORE_SCHEMA, FaceStore

__all__ = ["load_faces", "open_stores", "records_of"]

_DECISIVE = [
    *("sample_id", "label", "split", "usage", "group", "pixel_sha256", "phash", "flag", "votes"),
]


def open_stores(folder: Path, sources: list[str]) -> dict[str, FaceStore]:
    """The face stores of the listed sources, in that order.

    Raises:
        ParamsError: no data set of that name.
        DataError: a listed data set has no faces on this machine.
    """
    stores = {}
    for name in sources:
        file = folder / f"{name}.arrow"
        if not file.exists():
            known = sorted(path.stem for path in folder.glob("*.arrow"))
            raise ParamsError(
                "Unknown data set.",
                where="params.yaml: manifest.sources",
                found=name,
                expected=", ".join(known),
            )
        stores[name] = FaceStore.open(file, name)
        if len(stores[name]) == 0:
            raise DataError(
                "A listed data set has no faces.",
                where=f"params.yaml: manifest.sources: {name}",
                remedy=f"`fer data add {name} PATH` with the folder that holds it, or take it off "
                "the list",
            )
    return stores


def load_faces(stores: Mapping[str, FaceStore], columns: Sequence[str] = _DECISIVE) -> pd.DataFrame:
    """What splits and twins are decided by, of every face, sorted by `sample_id`: about 70 bytes
    each. What else is recorded of a face stays in its store until it is written.

    Args:
        stores: the face stores in order of preference.
        columns: which columns of the stores.

    Returns:
        These columns, words (`split`, `usage`, `flag`) as categories in alphabetical order; `group`
        and `pixel_sha256` as int32 that are equal where the values are; instead of `votes` `voted`,
        whether the face has any; and `source`, `row`, and `preference`, the place of its source
        among the stores.
    """
    table = pa.concat_tables([store.table(STORE_SCHEMA.names) for store in stores.values()])
    order = pc.sort_indices(table["sample_id"]).to_numpy()  # stable: by preference and row
    faces = {}
    for name in columns:  # one at a time: what is mapped becomes memory when it is put in order
        column = table[name]
        if name in ("group", "pixel_sha256"):
            faces[name] = pd.factorize(column.to_pandas())[0].astype(np.int32)[order]
        elif name == "votes":
            faces["voted"] = column.is_valid().to_numpy()[order]
        elif name == "sample_id":
            faces[name] = column.take(order).to_pandas()
        elif pa.types.is_string(column.type):
            faces[name] = pd.Categorical(column.to_pandas())[order]
        else:
            faces[name] = column.to_numpy()[order]
    pa.default_memory_pool().release_unused()  # else the texts' tables would still take memory
    sizes = [len(store) for store in stores.values()]
    preference = np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)[order]
    source = pd.Categorical.from_codes(preference, pd.Index(list(stores)))
    faces["source"] = source.reorder_categories(sorted(stores))
    faces["row"] = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])[order]
    faces["preference"] = preference
    return pd.DataFrame(faces)


def records_of(
    faces: pd.DataFrame, stores: Mapping[str, FaceStore], columns: list[str]
) -> pd.DataFrame:
    """What the stores say of some faces, index 0..N-1; holes where no store has such a row.

    Args:
        faces: columns `source` and `row`.
        stores: the face stores.
        columns: which columns of the stores.
    """
    source, row = (faces[name].to_numpy() for name in ("source", "row"))
    frames = []
    for name, store in stores.items():
        mine = np.flatnonzero((source == name) & (row >= 0) & (row < len(store)))
        frames.append(store.frame(columns, row[mine]).set_axis(mine))
    return pd.concat(frames).reindex(np.arange(len(faces)))
