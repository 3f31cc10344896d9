"""Stage `init`: the initial weights of one architecture.

Reads nothing but params (and, with `init.pretrained`, the hub or a local weights file).
Writes `data/init/<arch>/`: weights, and the share of parameters that pretrained weights covered.
"""

import logging

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.models.initial.initial import make_initial
from fer_core.models.initial.options import InitOptions
from fer_core.pixels.preprocessing import Preprocessing
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main(arch: str) -> None:
    """Make the initial weights of ARCH, a timm name."""
    params = Params.load()
    options = params.section("init", InitOptions)
    size = params.section("preprocessing", Preprocessing).size
    seed, weights = params.section("seed", int), load_settings().weights
    share = make_initial(paths.INIT / arch, arch, size, seed, options, weights)
    log.info(
        "%s: %s, %.1f %% of the parameters pretrained", arch, options.origin_of(arch), 100 * share
    )


if __name__ == "__main__":
    run_stage(main)
