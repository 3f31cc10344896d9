"""Find the hard val rows: low margin, teachers that disagree, confusable classes.

Reads the dev logits of every teacher, the ensemble, the evaluation of every student and
`data/pack/dev`. Writes `data/hard_cases/`: every val row with what makes it hard, and how each
model does on the hard ones.
"""

from pathlib import Path
from typing import Any

from fer_core.base.params import load_section
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

ROWS = Path("data/pack/dev/rows.parquet")
LOGITS = Path("data/logits")
ENSEMBLE = Path("data/ensemble")
EVALUATIONS = Path("data/evaluation")
OUT = Path("data/hard_cases")


def main() -> None:
    """Judge every val row, then score teachers, ensemble and students on those found hard."""
    options: HardCaseOptions = load_section("hard_cases", HardCaseOptions)
    evaluation: EvaluationOptions = load_section("evaluation", EvaluationOptions)
    teachers: dict[str, Any] = load_section("teachers", dict[str, Any])
    methods: list[str] = load_section("student.methods", list[str])
    seeds: list[int] = load_section("student.seeds", list[int])
    rows = read_rows(ROWS)
    dev = {tag: read_logits(LOGITS / tag / "dev", rows, tag) for tag in teachers}
    ensemble = read_ensemble(ENSEMBLE)
    cases = find_hard_cases(dev, ensemble, options)
    val = {tag: logits.only("val") for tag, logits in dev.items()}
    students = [f"{method}-{seed}" for method in methods for seed in seeds]
    val |= {key: read_evaluation(EVALUATIONS / key).dev.only("val") for key in students}
    models = {
        name: (logits.sample_ids, logits.eval.astype(float), logits.labels)
        for name, logits in val.items()
    }
    fused = ensemble.fused({tag: val[tag].eval for tag in teachers})
    models["ensemble"] = (cases.table["sample_id"].tolist(), fused, cases.table["label"].to_numpy())
    write_hard_cases(OUT, cases, scores_on(cases, models, evaluation, load_section("seed", int)))


if __name__ == "__main__":
    run_stage(main)
