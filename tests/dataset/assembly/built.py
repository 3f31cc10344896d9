"""A manifest in memory."""

from collections.abc import Mapping

import pandas as pd

from fer_core.dataset.assembly.manifest import manifest_parts
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.store.store import FaceStore


def build_manifest(
    stores: Mapping[str, FaceStore], options: ManifestOptions, seed: int
) -> pd.DataFrame:
    """The parts of `manifest_parts` as one table."""
    return pd.concat(list(manifest_parts(stores, options, seed)), ignore_index=True)
