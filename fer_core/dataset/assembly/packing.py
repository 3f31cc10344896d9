"""From manifest and face stores to one half of the pack."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.dataset.manifest.table import joined_groups
from fer_core.dataset.pack.pack import PackOptions, write_pack
from fer_core.dataset.store.store import FaceStore

__all__ = ["pack_half"]


def pack_half(
    folder: Path, manifest: pd.DataFrame, stores: Mapping[str, FaceStore], options: PackOptions
) -> None:
    """Write the rows of a manifest with their images from the face stores. Rows that show one
    picture are of one group there, so that folds keep them together.

    Raises:
        ArtifactError: a face store was made again after the manifest and has another face in that
            row.
    """
    rows = manifest.sort_values("sample_id", ignore_index=True)
    rows = rows.assign(group=joined_groups(rows))
    for source, store in stores.items():
        store.check_rows(rows[rows["source"] == source])
    places = list(
        zip((stores[source] for source in rows["source"]), rows["row"].tolist(), strict=True)
    )
    sizes = np.array([len(store.image(row)) for store, row in places], dtype=np.int64)
    write_pack(folder, rows, lambda index: places[index][0].image(places[index][1]), sizes, options)
