"""Stages `logits_dev` and `logits_test`: a teacher's logits of every row of one half of the pack.

Of the dev half also those of the K stored views of each train row; with `teacher.folds` the train
rows of each fold are run through the teacher that left them out. Reads `data/pack/<half>` and the
teacher's model; writes `data/logits/<tag>/<half>`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import ViewOptions
from fer_core.logits.forward import Wanted, forward_rows
from fer_core.logits.store import write_logits
from fer_core.models.devices import distributed
from stages.entry import run_stage


def main(half: Literal["dev", "test"], tag: str, model: Path) -> None:
    """Run the teacher TAG, saved in MODEL, over a HALF of the pack."""
    params = Params.load()
    precision = params.section("teacher.train.precision", str)
    threads = params.section("cpu_threads", int, default=0)
    mirror = params.section("teacher.mirror", bool, default=False)
    wanted = Wanted(("test",), precision, "float16", None, threads, mirror)
    folds = 0
    if half == "dev":
        views = params.section("views", ViewOptions)
        wanted = replace(wanted, covers=("train", "val", "calib"), views=views)
        folds = params.section("teacher.folds", int, default=0)
    others = model.parent.parent / "folds" / model.parent.name
    fold_models = [others / str(fold) / "model" for fold in range(folds)]
    pack = Pack.open(paths.PACK / half)
    logits = forward_rows(model, tag, pack, wanted, load_settings(), fold_models)
    distributed.on_first(lambda: write_logits(paths.LOGITS / tag / half, logits))


if __name__ == "__main__":
    run_stage(main)
