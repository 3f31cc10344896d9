"""Stage `pack`: copies the kept faces into a few big files, train, val and calib rows apart from
test rows.

Reads `data/validation.json`, `data/manifest.parquet` and `data/clean/*.arrow`; writes
`data/pack/dev/` and `data/pack/test/`.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.dataset.assembly.manifest import open_stores
from fer_core.dataset.assembly.packing import pack_half
from fer_core.dataset.gate.validation import check_passed
from fer_core.dataset.manifest.table import read_manifest
from fer_core.dataset.pack.pack import PackOptions
from stages.entry import run_stage

CLEAN = Path("data/clean")
MANIFEST = Path("data/manifest.parquet")
VALIDATION = Path("data/validation.json")
PACK = Path("data/pack")
HALVES = {"dev": ("train", "val", "calib"), "test": ("test",)}


def main() -> None:
    """Pack both halves of a manifest that has passed the gate."""
    options: PackOptions = load_section("pack", PackOptions)
    check_passed(VALIDATION, MANIFEST)
    manifest = read_manifest(MANIFEST)
    stores = open_stores(CLEAN, sorted(manifest["source"].unique()))
    for half, splits in HALVES.items():
        pack_half(PACK / half, manifest[manifest["split"].isin(splits)], stores, options)


if __name__ == "__main__":
    run_stage(main)
