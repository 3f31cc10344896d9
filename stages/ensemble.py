"""Choose how to fuse the teachers.

Reads the dev logits of every teacher (only their calib rows are used) and the dev rows. Writes
`data/ensemble/`: per-teacher temperatures, space, weights, fused temperature, every candidate of
the search, and what else the leaderboard is to show (kinds of weights, fixed temperatures).
"""

import logging
from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.ensemble.choosing import choose_ensemble
from fer_core.evaluation.ensemble.ensemble import write_ensemble
from fer_core.evaluation.ensemble.fusion import EnsembleOptions
from fer_core.evaluation.ensemble.kinds import RowOrigins
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import read_logits
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Calibrate every teacher and choose the fusion weights on calib rows."""
    params = Params.load()
    teachers = params.section("teachers", dict[str, Any])
    options = params.section("ensemble", EnsembleOptions)
    evaluation = params.section("evaluation", EvaluationOptions)
    rows = read_rows(paths.DEV)
    calib = {
        tag: read_logits(paths.LOGITS / tag / "dev", rows, tag).only("calib") for tag in teachers
    }
    frame = rows.frame.iloc[rows.split("calib")]
    origins = RowOrigins(*(frame[name].tolist() for name in ("sample_id", "source", "group")))
    ensemble, candidates = choose_ensemble(calib, options, evaluation.bins, origins)
    write_ensemble(paths.ENSEMBLE, ensemble, candidates)
    log.info(
        "chosen of %d candidates: %s %s",
        len(candidates),
        ensemble.chosen.space,
        ensemble.chosen.weights,
    )
    for kind, scores in ensemble.cross_validation.items():
        log.info(
            "weights %s on calib rows not fitted on: %s",
            kind,
            " ".join(f"{name} {value:.4f}" for name, value in scores.items()),
        )


if __name__ == "__main__":
    run_stage(main)
