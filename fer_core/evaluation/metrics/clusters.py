"""Clusters of rows as the bootstrap and the tests take them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

__all__ = ["cluster_codes"]


def cluster_codes(sample_ids: Sequence[str], cluster_of: Mapping[str, str]) -> np.ndarray:
    """Numbers of the rows' clusters in order of appearance, int64 [N]: equal numbers mean one
    cluster.

    Args:
        sample_ids: the rows.
        cluster_of: of the manifest's `read_clusters`; rows that it does not name are clusters of
            their own.
    """
    names = np.array([cluster_of.get(key, key) for key in sample_ids], dtype=object)
    return pd.factorize(names)[0].astype(np.int64)
