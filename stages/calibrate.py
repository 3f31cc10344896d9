"""Calibrate one network.

Reads `data/evaluation/<key>/` and `data/pack/dev/rows.parquet`. Writes `data/calibration/<key>/`:
every method of calibration fitted on calib rows, the one chosen by cross-validation, the one that
an exported file carries, and metrics and reliability of val and every named test set without and
with each.
"""

import logging

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.calibration.report import calibrate, write_calibration
from fer_core.evaluation.metrics.options import Carry, EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main(key: str) -> None:
    """Calibrate the student or teacher KEY."""
    params = Params.load()
    options = params.section("evaluation", EvaluationOptions)
    report = calibrate(
        read_evaluation(paths.EVALUATION / key),
        read_rows(paths.DEV),
        options,
        params.section("seed", int),
        params.section("deploy.calibration", Carry, default="chosen"),
    )
    write_calibration(paths.CALIBRATION / key, report)
    fitted, choice = report.calibration, report.calibration.choice
    log.info(
        "%s: T = %.4g, NLL of %d calib rows %.4f -> %.4f",
        key,
        fitted.temperature,
        fitted.n,
        fitted.nll_before,
        fitted.nll_after,
    )
    for method, found in choice.methods.items():
        if found.cv_nll is not None:
            chosen = " (chosen)" if method == choice.chosen else ""
            log.info(
                "%s: %s%s, cross-validated NLL %.4f ± %.4f",
                key,
                method,
                chosen,
                found.cv_nll,
                found.cv_nll_se,
            )
    log.info("%s: a file carries %s", key, fitted.carries)
    for method, reason in choice.refused.items():
        log.info("%s: %s is not used. %s", key, method, reason)


if __name__ == "__main__":
    run_stage(main)
