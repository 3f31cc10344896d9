"""Stage `pack`: copies the kept faces into a few big files, train, val and calib rows apart from
test rows. With `pack.train_sets`, train rows that nobody learns from stay out; with
`pack.most_per_class`, all but a few rows of each class.

Reads `data/validation.json`, `data/manifest.parquet` and `data/clean/*.arrow`; writes
`data/pack/dev/` and `data/pack/test/`.
"""

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.packing import pack_half
from fer_core.dataset.gate.validation import check_passed
from fer_core.dataset.manifest.table import read_manifest
from fer_core.dataset.pack.named_sets import (
    NamedSets,
    a_few_of_each,
    leave_unlearned_out,
    train_set_of,
)
from fer_core.dataset.pack.pack import PackOptions
from stages.entry import run_stage

HALVES = {"dev": ("train", "val", "calib"), "test": ("test",)}


def main() -> None:
    """Pack both halves of a manifest that has passed the gate."""
    params = Params.load()
    options = params.section("pack", PackOptions)
    check_passed(paths.VALIDATION, paths.MANIFEST)
    manifest = read_manifest(paths.MANIFEST)
    if options.most_per_class is not None:
        sets = params.section("sets", NamedSets)
        manifest = a_few_of_each(manifest, sets, options.most_per_class)
    if options.train_sets:
        sets = params.section("sets", NamedSets)
        learned = [train_set_of(name, sets) for name in options.train_sets]
        manifest = leave_unlearned_out(manifest, learned)
    stores = open_stores(paths.CLEAN, sorted(manifest["source"].unique()))
    for half, splits in HALVES.items():
        pack_half(paths.PACK / half, manifest[manifest["split"].isin(splits)], stores, options)


if __name__ == "__main__":
    run_stage(main)
