"""Find the hard val rows: low margin, teachers that disagree, confusable classes.

Reads the dev logits of every teacher, the ensemble, the evaluation of every student and
`data/pack/dev`. Writes `data/hard_cases/`: every val row with what makes it hard, and how each
model does on the hard ones.
"""

from typing import Any

from fer_core.base import paths
from fer_core.base.params import Params
from fer_core.dataset.pack.rows import read_rows
from fer_core.evaluation.boards.hard_cases import (
    HardCaseOptions,
    find_hard_cases,
    scores_on,
    write_hard_cases,
)
from fer_core.evaluation.ensemble.ensemble import read_ensemble
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.evaluation.metrics.record import read_evaluation
from fer_core.logits.store import read_logits
from stages.entry import run_stage


def main() -> None:
    """Judge every val row, then score teachers, ensemble and students on those found hard."""
    params = Params.load()
    options = params.section("hard_cases", HardCaseOptions)
    evaluation = params.section("evaluation", EvaluationOptions)
    teachers = params.section("teachers", dict[str, Any])
    methods = params.section("student.methods", list[str])
    seeds = params.section("student.seeds", list[int])
    rows = read_rows(paths.DEV)
    dev = {tag: read_logits(paths.LOGITS / tag / "dev", rows, tag) for tag in teachers}
    ensemble = read_ensemble(paths.ENSEMBLE)
    cases = find_hard_cases(dev, ensemble, options)
    val = {tag: logits.only("val") for tag, logits in dev.items()}
    students = [f"{method}-{seed}" for method in methods for seed in seeds]
    evaluations = {key: read_evaluation(paths.EVALUATION / key) for key in students}
    val |= {key: found.dev.only("val") for key, found in evaluations.items()}
    models = {
        name: (logits.sample_ids, logits.eval.astype(float), logits.labels)
        for name, logits in val.items()
    }
    fused = ensemble.fused({tag: val[tag].eval for tag in teachers})
    models["ensemble"] = (cases.table["sample_id"].tolist(), fused, cases.table["label"].to_numpy())
    seed, cluster_of = params.section("seed", int), evaluations[students[0]].cluster_of
    scores = scores_on(cases, models, evaluation, seed, cluster_of)
    write_hard_cases(paths.HARD_CASES, cases, scores)


if __name__ == "__main__":
    run_stage(main)
