"""Stage `validate`: the gate. One fault in the manifest or the face stores ends the run here.

Reads `data/manifest.parquet` and `data/clean/*.arrow`; writes `data/validation.json`. When the gate
does not open, every fault is in `validation-report.json` of the runs folder.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.assembly.manifest import ManifestOptions, open_stores
from fer_core.dataset.gate.validation import (
    ValidateOptions,
    require_passed,
    validate,
    write_validation,
)
from fer_core.dataset.manifest.table import read_manifest
from fer_core.dataset.pack.named_sets import NamedSets
from stages.entry import run_stage

CLEAN = Path("data/clean")
MANIFEST = Path("data/manifest.parquet")
VALIDATION = Path("data/validation.json")


def main() -> None:
    """Check everything, then write the report or fail."""
    manifest_options: ManifestOptions = load_section("manifest", ManifestOptions)
    options: ValidateOptions = load_section("validate", ValidateOptions)
    sets: NamedSets = load_section("sets", NamedSets)
    stores = open_stores(CLEAN, manifest_options.sources)
    validation = validate(read_manifest(MANIFEST), stores, manifest_options, options, sets)
    require_passed(validation, load_settings().runs / "validation-report.json")
    write_validation(VALIDATION, validation, MANIFEST, CLEAN)


if __name__ == "__main__":
    run_stage(main)
