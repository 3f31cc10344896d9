"""Which rows show one picture: those that the manifest found to be twins and that stayed, such as a
test face that two data sets hold.

Rows of one picture are not independent of each other, so whatever draws rows at random must draw
whole pictures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core.base.errors import ArtifactError
from fer_core.dataset.manifest.table import read_manifest

__all__ = ["picture_codes", "read_duplicates"]


def read_duplicates(manifest: Path, sample_ids: Sequence[str]) -> dict[str, str]:
    """Which of these rows repeat the picture of an earlier one.

    Args:
        manifest: `manifest.parquet`.
        sample_ids: kept rows.

    Returns:
        sample_id -> sample_id of the first row with the same picture, for rows that are not that
            first one.

    Raises:
        ArtifactError: the manifest is missing or damaged, or does not hold one of the rows.
    """
    of_row = read_manifest(manifest).set_index("sample_id")["duplicate_of"]
    if len(unknown := pd.Index(sample_ids).difference(of_row.index)):
        raise ArtifactError(
            "The manifest does not hold a row.",
            where=manifest,
            expected=unknown[0],
            remedy="run `fer run` from the manifest on",
        )
    of_row = of_row.loc[list(sample_ids)]
    return {str(key): str(first) for key, first in of_row[of_row != ""].items()}


def picture_codes(sample_ids: Sequence[str], duplicate_of: Mapping[str, str]) -> np.ndarray:
    """Numbers of the rows' pictures in order of appearance, int64 [N]: equal numbers mean one
    picture.

    Args:
        sample_ids: the rows.
        duplicate_of: of `read_duplicates`; rows that it does not name are pictures of their own.
    """
    names = np.array([duplicate_of.get(key, key) for key in sample_ids], dtype=object)
    return pd.factorize(names)[0].astype(np.int64)
