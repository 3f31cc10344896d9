"""Stage `datasheet`: show a person what the data are. Nothing depends on it.

Reads `data/manifest.parquet`, `data/clean/*.arrow` and the descriptors; writes `data/datasheet/`:
the page `index.html` and its numbers, `datasheet.json`. It does not wait for the gate: where that
stays closed, this page helps to see why.
"""

import logging

from fer_core.base import paths
from fer_core.base.files import new_folder, read_json, sha256_file, write_json, write_text
from fer_core.base.params import Params
from fer_core.dataset.assembly.faces import open_stores
from fer_core.dataset.manifest.table import read_manifest
from fer_core.report.datasheet.counts import count_faces
from fer_core.report.datasheet.faces import datasheet_faces
from fer_core.report.datasheet.origins import origin_of
from fer_core.report.datasheet.page import render_datasheet
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Count, draw faces, write both files."""
    params = Params.load()
    stores = open_stores(paths.CLEAN, params.section("manifest.sources", list[str]))
    faces = datasheet_faces(read_manifest(paths.MANIFEST), stores, params.section("seed", int))
    counts = count_faces(faces, stores, sha256_file(paths.MANIFEST))
    origins = {name: origin_of(read_json(paths.SOURCES / f"{name}.json")) for name in stores}
    page = render_datasheet(counts, faces, stores, origins)
    with new_folder(paths.DATASHEET) as folder:
        write_json(folder / "datasheet.json", counts)
        write_text(folder / "index.html", page)
    log.info(
        "%s: %s",
        ", ".join(f"{n:,} {what}" for what, n in counts["faces"].items()),
        paths.DATASHEET / "index.html",
    )


if __name__ == "__main__":
    run_stage(main)
