"""Measure the deployed student against annotators' votes.

Reads its evaluation and calibration, and the votes of the test rows in `data/pack/test`. Writes
`metrics/ambiguity.json`.
"""

import numpy as np

from fer_core.base import paths
from fer_core.base.files import write_json
from fer_core.base.labels import N_CLASSES
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.ambiguity.ambiguity import AmbiguityOptions, measure_ambiguity
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.metrics.deployed import answers_of, provenance
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from stages.entry import run_stage


def main() -> None:
    """Measure on the rows of the main compared set that have votes."""
    params = Params.load()
    evaluation = params.section("evaluation", EvaluationOptions)
    key, name = params.section("deploy.student", str), evaluation.compare_sets[0]
    found, rows = read_evaluation(paths.EVALUATION / key), read_rows(paths.TEST)
    found.test.check_rows(rows, key)
    calibration = read_calibration(paths.CALIBRATION / key, found.test.model_sha256)
    none = np.full(N_CLASSES, np.nan)
    votes = [none if one is None else one for one in rows.frame["votes"][found.sets[name]]]
    measured = measure_ambiguity(
        answers_of(found, name, calibration.file_logits),
        np.array(votes, dtype=np.float64).reshape(-1, N_CLASSES),
        params.section("trust.ambiguity", AmbiguityOptions),
        evaluation,
        params.section("seed", int),
    )
    write_json(paths.METRICS / "ambiguity.json", provenance(found, name) | measured)


if __name__ == "__main__":
    run_stage(main)
