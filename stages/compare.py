"""Compare the students' training methods.

Reads the evaluation of every student (methods × seeds) and, for information, of every teacher.
Writes `data/comparison/`: paired differences with intervals, tests and a verdict in words for every two methods of equal budget.
"""

import logging
from pathlib import Path
from typing import Any

from fer_core.evaluation.comparison import compare_methods
from fer_core.evaluation.comparison_report import run_summary, write_comparison
from fer_core.evaluation.options import EvaluationOptions
from fer_core.evaluation.record import read_evaluation
from fer_core.params import load_section
from stages.entry import run_stage

EVALUATIONS = Path("data/evaluation")
OUT = Path("data/comparison")

log = logging.getLogger(__name__)


def main() -> None:
    """Compare every two methods on `evaluation.compare_set`."""
    options: EvaluationOptions = load_section("evaluation", EvaluationOptions)
    methods: list[str] = load_section("student.methods", list[str])
    seeds: list[int] = load_section("student.seeds", list[int])
    teachers: dict[str, Any] = load_section("teachers", dict[str, Any])
    runs = {method: {seed: read_evaluation(EVALUATIONS / f"{method}-{seed}") for seed in seeds} for method in methods}
    pairs, refused = compare_methods(runs, options.compare_set, options, load_section("seed", int))
    students = [run for by_seed in runs.values() for run in by_seed.values()]
    everyone = [*students, *(read_evaluation(EVALUATIONS / tag) for tag in teachers)]
    write_comparison(OUT, options.compare_set, pairs, refused, [run_summary(run, options.compare_set) for run in everyone])
    for refusal in refused:
        log.warning("%s and %s are not compared: %s", refusal.a, refusal.b, "; ".join(refusal.reasons))


if __name__ == "__main__":
    run_stage(main)
