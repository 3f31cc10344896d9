"""Stage `logits_outside`: the logits of a teacher from elsewhere, a network or a table, for every
row of both halves of the pack and for the stored views of the train rows.

Reads `data/pack` and the file that `teachers.<tag>` names; writes `data/logits/<tag>/{dev,test}`,
as a trained teacher has them, and `data/teachers/<tag>/outside`, what is stated of its training.
"""

import logging
from pathlib import Path

from fer_core.base import paths
from fer_core.base.files import sha256_file
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import read_rows
from fer_core.images.views import ViewOptions
from fer_core.logits.store import write_logits
from fer_core.outside.answering.halves import Asked, network_logits, table_logits
from fer_core.outside.answering.network import OutsideNetwork
from fer_core.outside.answering.table import read_logits_table
from fer_core.outside.described.description import OUTSIDE, OutsideTeacher, write_outside
from fer_core.outside.described.options import OutsideEntry
from fer_core.pixels.preprocessing import Preprocessing
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main(tag: str, file: Path) -> None:
    """Ask the teacher TAG, whose network or table is FILE."""
    params, settings = Params.load(), load_settings()
    entry = params.section(f"teachers.{tag}", OutsideEntry)
    views = params.section("views", ViewOptions)
    preprocessing = params.section("preprocessing", Preprocessing)
    dev = Asked(("train", "val", "calib"), preprocessing, views)
    halves = {"dev": dev, "test": Asked(("test",), preprocessing)}
    teacher = OutsideTeacher(tag, entry, sha256_file(file))
    if entry.onnx is not None:
        threads = params.section("cpu_threads", int, default=0)
        network = OutsideNetwork(file, entry, threads or settings.cpu_threads())
        found = {
            half: network_logits(teacher, network, Pack.open(paths.PACK / half), asked, settings)
            for half, asked in halves.items()
        }
    else:
        table = read_logits_table(file, entry, views)
        if not table.has_views:
            teacher = OutsideTeacher(tag, entry, teacher.sha256, "evaluation")
            log.info("%s has no views: the evaluation view's logits serve all of them", file)
        found = {
            half: table_logits(teacher, table, read_rows(paths.PACK / half), asked)
            for half, asked in halves.items()
        }
    for half, logits in found.items():
        write_logits(paths.LOGITS / tag / half, logits)
    write_outside(paths.TEACHERS / tag / OUTSIDE, teacher)
    log.info(
        "%s (sha256 %s): trained on %s; overlap with test rows: %s",
        file,
        teacher.sha256[:16],
        teacher.trained_on,
        ", ".join(f"{name} {overlap}" for name, overlap in teacher.overlaps().items()),
    )


if __name__ == "__main__":
    run_stage(main)
