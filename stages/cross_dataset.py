"""Stage `cross_dataset`: a student trained without one data set, asked about the test rows of all.

Reads both halves of the pack, the manifest and the initial weights; writes
`data/cross_dataset/<key>/`: `record.json` and, unless that says why not, the logits
`answers`. No network is kept.
"""

import logging
from pathlib import Path

from fer_core.base import paths
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_clusters, read_manifest
from fer_core.dataset.pack.pack import Pack
from fer_core.logits.store import write_logits
from fer_core.training.crossdata.crossdata import Recipe, faces_of, train_without
from fer_core.training.crossdata.options import CrossDatasetOptions
from fer_core.training.crossdata.rows import reason_against
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main(key: str, left_out: str, seed: int, init: Path) -> None:
    """Train KEY with SEED from the weights in INIT without the data set LEFT_OUT; "none" leaves
    none out.
    """
    params = Params.load()
    options = params.section("cross_dataset", CrossDatasetOptions)
    dev, test = (Pack.open(half) for half in (paths.DEV, paths.TEST))
    known = read_manifest(paths.MANIFEST)["sample_id"].tolist()
    faces = faces_of(params, dev, test, read_clusters(paths.MANIFEST, known))
    out = paths.CROSS_DATASET / key
    record = None
    if left_out != paths.NONE_LEFT_OUT:
        record = reason_against(left_out, faces, options.rows)
    if record is None:
        recipe = Recipe(params, options, key, seed, init)
        answers, record = train_without(left_out, dev, test, faces, recipe)
        write_logits(out / "answers", answers)
        log.info(
            "without %s: %d train rows, audit %s", left_out, record["train_rows"], record["audit"]
        )
    else:
        log.warning("%s is not left out: %s (%d)", left_out, record["reason"], record["n"])
    of = {
        "left_out": left_out,
        "dev_rows_sha256": dev.rows.sha256,
        "test_rows_sha256": test.rows.sha256,
    }
    write_json(out / "record.json", of | record)


if __name__ == "__main__":
    run_stage(main)
