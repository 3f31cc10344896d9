"""Stage `manifest`: gives every face of the listed sources its final split, or the reason why it
has none.

Reads `data/clean/*.arrow` (the sources listed in `manifest.sources`); writes
`data/manifest.parquet`.
"""

from fer_core.base import paths
from fer_core.base.params import Params, Seed
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.manifest import manifest_parts
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.manifest.table import write_manifest
from stages.entry import run_stage


def main() -> None:
    """Find twins, drop leaks, carve val and calib."""
    params = Params.load()
    options = params.section("manifest", ManifestOptions)
    seed = params.section("seed", Seed)
    stores = open_stores(paths.CLEAN, options.sources)
    write_manifest(paths.MANIFEST, manifest_parts(stores, options, seed))


if __name__ == "__main__":
    run_stage(main)
