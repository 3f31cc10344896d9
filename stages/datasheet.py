"""Stage `datasheet`: show a person what the data are. Nothing depends on it.

Reads `data/manifest.parquet` and `data/clean/*.arrow`; writes `data/datasheet/`: the page
`index.html` and its numbers, `datasheet.json`. It does not wait for the gate: where that stays
closed, this page helps to see why.
"""

import logging
from pathlib import Path

from fer_core.base.files import new_folder, sha256_file, write_json, write_text
from fer_core.base.params import load_section
from fer_core.dataset.assembly.manifest import open_stores
from fer_core.dataset.manifest.table import read_manifest
from fer_core.report.datasheet.counts import count_faces
from fer_core.report.datasheet.faces import datasheet_faces
from fer_core.report.datasheet.page import render_datasheet
from stages.entry import run_stage

CLEAN = Path("data/clean")
MANIFEST = Path("data/manifest.parquet")
DATASHEET = Path("data/datasheet")

log = logging.getLogger(__name__)


def main() -> None:
    """Count, draw faces, write both files."""
    stores = open_stores(CLEAN, load_section("manifest.sources", list[str]))
    faces = datasheet_faces(read_manifest(MANIFEST), stores, load_section("seed", int))
    counts = count_faces(faces, stores, sha256_file(MANIFEST))
    page = render_datasheet(counts, faces, stores)
    with new_folder(DATASHEET) as folder:
        write_json(folder / "datasheet.json", counts)
        write_text(folder / "index.html", page)
    log.info(
        "%s: %s",
        ", ".join(f"{n:,} {what}" for what, n in counts["faces"].items()),
        DATASHEET / "index.html",
    )


if __name__ == "__main__":
    run_stage(main)
