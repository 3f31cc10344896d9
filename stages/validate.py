"""Stage `validate`: the gate. One fault in the manifest or the face stores ends the run here.

Reads `data/manifest.parquet` and `data/clean/*.arrow`; writes `data/validation.json`. When the gate
does not open, every fault is in `validation-report.json` of the runs folder.
"""

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.assembly.options import ManifestOptions
from fer_core.dataset.gate.validation import (
    ValidateOptions,
    require_passed,
    validate,
    write_validation,
)
from fer_core.dataset.manifest.table import read_manifest_parts
from fer_core.dataset.pack.named_sets import NamedSets
from stages.entry import run_stage


def main() -> None:
    """Check everything, then write the report or fail."""
    params = Params.load()
    manifest_options = params.section("manifest", ManifestOptions)
    options = params.section("validate", ValidateOptions)
    sets = params.section("sets", NamedSets)
    stores = open_stores(paths.CLEAN, manifest_options.sources)
    validation = validate(
        read_manifest_parts(paths.MANIFEST), stores, manifest_options, options, sets
    )
    require_passed(validation, load_settings().runs / "validation-report.json")
    write_validation(paths.VALIDATION, validation, paths.MANIFEST, paths.CLEAN)


if __name__ == "__main__":
    run_stage(main)
