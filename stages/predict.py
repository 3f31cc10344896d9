"""Stage `predict`: a student's logits of every val, calib and test row, in single precision.

Reads both halves of the pack and the student's model; writes `data/logits/<key>/{dev,test}`.
"""

from functools import partial
from pathlib import Path

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.logits.store import write_logits
from fer_core.models.devices import distributed
from stages.entry import run_stage


def main(key: str, model: Path) -> None:
    """Run the student KEY, saved in MODEL, over both halves of the pack."""
    settings = load_settings()
    params = Params.load()
    threads = params.section("cpu_threads", int, default=0)
    mirror = params.section("student.mirror", bool, default=False)
    for half, covers in (("dev", ("val", "calib")), ("test", ("test",))):
        pack = Pack.open(paths.PACK / half)
        logits = forward_rows(
            model, key, pack, Wanted(covers, "fp32", "float32", None, threads, mirror), settings
        )
        distributed.on_first(partial(write_logits, paths.LOGITS / key / half, logits))


if __name__ == "__main__":
    run_stage(main)
