"""Fit when the deployed student abstains, and measure what that is worth.

Reads its evaluation and calibration. Writes `data/selective/`, thresholds fitted on calib rows that
the exported file carries, and `metrics/selective.json`: risk and coverage on test rows.
"""

import logging

from fer_core.base import paths
from fer_core.base.files import write_json
from fer_core.base.params import Params
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.metrics.deployed import answers_of, provenance
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.evaluation.selective.options import SelectiveOptions
from fer_core.evaluation.selective.report import fit, measure_selective, write_fitted
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Fit on calib rows, measure on the main compared set."""
    params = Params.load()
    options = params.section("trust.selective", SelectiveOptions)
    evaluation = params.section("evaluation", EvaluationOptions)
    key, name = params.section("deploy.student", str), evaluation.compare_sets[0]
    found = read_evaluation(paths.EVALUATION / key)
    sha256 = found.test.model_sha256
    calibration = read_calibration(paths.CALIBRATION / key, sha256)
    calib, test = (answers_of(found, rows, calibration.file_logits) for rows in ("calib", name))
    fitted = fit(calib, options)
    seed = params.section("seed", int)
    measured = measure_selective(test, calib, fitted, options, evaluation, seed)
    write_fitted(paths.SELECTIVE, fitted, sha256)
    write_json(paths.METRICS / "selective.json", provenance(found, name) | measured)
    log.info("%s abstains below %s for a risk of %g", key, fitted.auto, fitted.risk)


if __name__ == "__main__":
    run_stage(main)
