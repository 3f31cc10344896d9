"""Compare the students' training methods.

Reads the evaluation and calibration of every student (methods × seeds) and, for information, of
every teacher, the training records of the students, and how many settings of each method were tried
(`student.trials`, written by `fer tune apply`). Writes `data/comparison/`: paired differences with
intervals, tests and a verdict in words for every two methods of equal budget.
"""

import logging
from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.evaluation.calibration.report import read_calibration
from fer_core.evaluation.comparison.comparison import compare_methods
from fer_core.evaluation.comparison.histories import read_history, rising
from fer_core.evaluation.comparison.pairs import Conditions
from fer_core.evaluation.comparison.report import run_summary, write_comparison
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.readers import read_reliability_metrics
from fer_core.evaluation.metrics.record import read_evaluation
from stages.entry import run_stage

log = logging.getLogger(__name__)


def main() -> None:
    """Compare every two methods on the sets of `evaluation.compare_set`."""
    params = Params.load()
    options = params.section("evaluation", EvaluationOptions)
    methods = params.section("student.methods", list[str])
    seeds = params.section("student.seeds", list[int])
    trials = params.section("student.trials", dict[str, int], default={})
    teachers = params.section("teachers", dict[str, Any])
    runs = {
        method: {seed: read_evaluation(paths.EVALUATION / f"{method}-{seed}") for seed in seeds}
        for method in methods
    }
    students = [run for by_seed in runs.values() for run in by_seed.values()]
    temperatures = {
        run.key: read_calibration(paths.CALIBRATION / run.key, run.test.model_sha256).temperature
        for run in students
    }
    histories = {
        method: [read_history(paths.STUDENTS / f"{method}-{seed}" / "record") for seed in seeds]
        for method in methods
    }
    pairs, refused = compare_methods(
        runs,
        options,
        Conditions(temperatures, trials, rising(histories)),
        params.section("seed", int),
    )
    everyone = [*students, *(read_evaluation(paths.EVALUATION / tag) for tag in teachers)]
    main_set = options.compare_sets[0]
    summaries = [
        run_summary(run, read_reliability_metrics(paths.CALIBRATION / run.key), main_set)
        for run in everyone
    ]
    write_comparison(paths.COMPARISON, options.compare_sets, pairs, refused, summaries)
    for refusal in refused:
        log.warning(
            "%s and %s are not compared: %s", refusal.a, refusal.b, "; ".join(refusal.reasons)
        )


if __name__ == "__main__":
    run_stage(main)
