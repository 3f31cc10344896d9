"""Make the students' targets.

Reads the dev logits of every teacher, the ensemble and the dev rows. Writes `data/softlabels/`:
calibrated logits at T = 1 of every train row and stored view, fused as section `targets` says and
of each teacher alone, and the ensemble's metrics.
"""

import logging
from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.dataset.pack.votes import vote_shares
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.ensemble.targets import (
    fused_targets,
    memorised,
    target_metrics,
    teacher_targets,
)
from fer_core.evaluation.ensemble.teaching import TargetOptions, Teaching
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.logits.store import read_logits
from fer_core.targets.softlabels import write_softlabels
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Fuse the teachers' logits of every view of every train row."""
    params = Params.load()
    teachers = params.section("teachers", dict[str, Any])
    evaluation = params.section("evaluation", EvaluationOptions)
    rows = read_rows(paths.DEV)
    dev = {tag: read_logits(paths.LOGITS / tag / "dev", rows, tag) for tag in teachers}
    ensemble = read_ensemble(paths.ENSEMBLE)
    options = params.section("targets", TargetOptions, default=TargetOptions())
    how = Teaching(
        options,
        rows.frame["source"].tolist(),
        vote_shares(rows) if options.votes else None,
    )
    targets = fused_targets(dev, ensemble, how)
    metrics = target_metrics(dev, ensemble, targets, evaluation.bins, how)
    for warning in memorised(metrics["memorisation"]):
        log.warning("%s", warning)
    first = next(iter(dev.values()))
    write_softlabels(
        paths.SOFTLABELS,
        rows,
        targets,
        teacher_targets(dev, ensemble, how),
        made_from={"preprocessing": first.preprocessing_hash, "views": first.views_hash or ""},
        ensemble={
            "model_sha256": ensemble.model_sha256,
            "temperatures": ensemble.temperatures,
            **how.to_dict(ensemble),
        },
        metrics=metrics,
    )
    log.info("soft labels of %d faces and %d views", targets.shape[0], targets.shape[1] - 1)


if __name__ == "__main__":
    run_stage(main)
