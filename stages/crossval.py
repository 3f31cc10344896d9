"""Stage `crossval`: the deployed student's training repeated for each part of all faces, where the
test split alone is too small to say much.

Reads both halves of the pack, the manifest and the weights the student started with; writes
`metrics/crossval.json`. No network that it trains is kept. What cannot be cross-validated is a note
in that file, and the run goes on.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base import paths
from fer_core.base.errors import TrainingError
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.dataset.manifest.table import read_clusters
from fer_core.dataset.pack.pack import Pack
from fer_core.dataset.pack.rows import Rows
from fer_core.evaluation.crossval.crossval import (
    CrossvalOptions,
    crossval_words,
    measure_crossval,
)
from fer_core.evaluation.metrics.deployed import Answers, refused
from fer_core.evaluation.metrics.metrics import softmax
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.models.networks.card import read_card
from fer_core.training.crossval.chain import chain_of
from fer_core.training.crossval.crossval import Recipe, cross_validate
from fer_core.training.loop.options import SavedStudent
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main(key: str, init: Path) -> None:
    """Cross-validate the training of the student KEY, whose chain starts with the weights in
    INIT.
    """
    params = Params.load()
    folds, seed = params.section("crossval", CrossvalOptions).folds, params.section("seed", int)
    evaluation = params.section("evaluation", EvaluationOptions)
    method, _, student_seed = key.rpartition("-")
    recipe = Recipe(params, chain_of(params.values, method), int(student_seed), init)
    dev, test = (Pack.open(half) for half in (paths.DEV, paths.TEST))
    cluster_of = read_clusters(paths.MANIFEST, [*dev.rows.sample_ids, *test.rows.sample_ids])
    found: dict[str, Any]
    try:
        _check_start(params, init, dev.rows)
        done = cross_validate((dev, test), cluster_of, folds, seed, recipe)
        clusters = np.unique(done.units, return_inverse=True)[1]
        answers = Answers(done.sample_ids, done.labels, softmax(done.logits), clusters)
        found = measure_crossval(answers, done.fold_of, evaluation, seed)
    except TrainingError as error:
        reason = f"{error.problem} {error.found or ''}".strip()
        found = dict(refused(len(dev) + len(test), reason))
    of = {"model": key, "methods": list(recipe.methods)}
    rows = {"dev_rows_sha256": dev.rows.sha256, "test_rows_sha256": test.rows.sha256}
    write_json(paths.METRICS / "crossval.json", of | rows | found)
    log.info("%s", crossval_words(found))


def _check_start(params: Params, init: Path, rows: Rows) -> None:
    """Raises:
    TrainingError: the network that training starts with has learned from these faces itself.
    """
    if params.section("student.init", SavedStudent | None, default=None) is None:
        return
    if read_card(init).rows_sha256 == rows.sha256:
        raise TrainingError(
            "The network that training starts with has learned from these very faces, so it would "
            "know those that a part holds out.",
            found=init,
        )


if __name__ == "__main__":
    run_stage(main)
