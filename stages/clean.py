"""Stage `clean@NAME`: read one raw data set, decode every image and record what was found.

Reads `data/sources/NAME.json` and the raw folder that it names (an embedded sample is rendered
first). Writes `data/clean/NAME.arrow`: faces, counts, exclusions with reasons.
"""

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.cleaning.cleaning import clean
from fer_core.sources.catalogue.options import CleanOptions
from stages.entry import run_stage


def main(name: str) -> None:
    """Clean the data set NAME."""
    params = Params.load()
    options = params.section("clean", CleanOptions)
    clean(
        paths.SOURCES / f"{name}.json", paths.CLEAN / f"{name}.arrow", options, load_settings().raw
    )


if __name__ == "__main__":
    run_stage(main)
