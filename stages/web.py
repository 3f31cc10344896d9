"""Stage `web`: the page that runs a network in a browser: the exported student where it learned
from photos of people, else the ready network.

Reads the built page (`web/dist`, from `make setup`), `data/onnx/student.fp32.onnx`, `models/`, the
detector and `live.yaml`. Writes `data/web/`, which any static server can serve. Needs neither Node
nor a network connection.

The page runs single precision: in WebAssembly it is faster than int8 and answers as it does here.
"""

from pathlib import Path

from fer_core.base import paths
from fer_core.base.files import new_folder
from fer_core.base.params import Params
from fer_core.predict.fetching import detector_file
from fer_core.predict.ready import default_model, sources_of
from fer_core.web.page import read_rules, write_page
from stages.entry import run_stage


def main() -> None:
    """Put the page together."""
    params = Params.load()
    own = paths.ONNX / "student.fp32.onnx"
    network = default_model(own)
    if network == own:
        name, sources = (
            params.section("deploy.student", str),
            params.section("manifest.sources", list[str]),
        )
    else:
        name, sources = network.parent.name, sources_of(network)
    with new_folder(paths.WEB) as folder:
        write_page(
            folder,
            network=network,
            detector=detector_file(),
            rules=read_rules(Path("live.yaml")),
            name=name,
            trained_on=sources,
        )


if __name__ == "__main__":
    run_stage(main)
