"""Stage `clean@NAME`: read one raw data set, decode every image and record what was found.

Reads `data/sources/NAME.json` and the raw folder that it names (an embedded sample is rendered
first). Writes `data/clean/NAME.arrow`: faces, counts, exclusions with reasons.
"""

from pathlib import Path

from fer_core.base.params import load_section
from fer_core.base.settings import load_settings
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.sources.catalogue.options import CleanOptions
from stages.entry import run_stage

DESCRIPTORS = Path("data/sources")
STORES = Path("data/clean")


def main(name: str) -> None:
    """Clean the data set NAME."""
    options: CleanOptions = load_section("clean", CleanOptions)
    clean(DESCRIPTORS / f"{name}.json", STORES / f"{name}.arrow", options, load_settings().raw)


if __name__ == "__main__":
    run_stage(main)
