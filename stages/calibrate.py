"""Calibrate one network.

Reads `data/evaluation/<key>/`. Writes `data/calibration/<key>/`: a temperature fitted on calib rows, and metrics and reliability of val and
every named test set before and after it.
"""

import logging
from pathlib import Path

from fer_core.evaluation.calibration_report import calibrate, write_calibration
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import read_evaluation
from fer_core.params import load_section
from stages.entry import run_stage

EVALUATIONS = Path("data/evaluation")
OUT = Path("data/calibration")

log = logging.getLogger(__name__)


def main(key: str) -> None:
    """Fit the temperature of the student or teacher KEY."""
    options: EvaluationOptions = load_section("evaluation", EvaluationOptions)
    report = calibrate(read_evaluation(EVALUATIONS / key), options, load_section("seed", int))
    write_calibration(OUT / key, report)
    fitted = report.calibration
    log.info("%s: T = %.4g, NLL of %d calib rows %.4f -> %.4f", key, fitted.temperature, fitted.n, fitted.nll_before, fitted.nll_after)


if __name__ == "__main__":
    run_stage(main)
