"""Stage `manifest`: gives every face of the listed sources its final split, or the reason why it
has none.

Reads `data/clean/*.arrow` (the sources listed in `manifest.sources`); writes
`data/manifest.parquet`.
"""

from pathlib import Path

from fer_core.base.params import Seed, load_section
from fer_core.dataset.assembly.manifest import ManifestOptions, build_manifest, open_stores
from fer_core.dataset.manifest.table import write_manifest
from stages.entry import run_stage

CLEAN = Path("data/clean")
MANIFEST = Path("data/manifest.parquet")


def main() -> None:
    """Find twins, drop leaks, carve val and calib."""
    options: ManifestOptions = load_section("manifest", ManifestOptions)
    seed: int = load_section("seed", Seed)
    stores = open_stores(CLEAN, options.sources)
    write_manifest(MANIFEST, build_manifest(stores, options, seed))


if __name__ == "__main__":
    run_stage(main)
