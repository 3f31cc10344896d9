"""Publish what lives in git, and one page to read.

Reads the gate's report, every training record, evaluation and calibration, the leaderboard, the
ensemble, its metrics as soft labels, the comparison, the hard cases, the reports of the ONNX
export, and the pack for the faces shown. Writes `data/report/index.html`, a page of every hard val
face beside it, and small files in `metrics/` and `plots/`: all the same on every machine.
"""

import logging
from pathlib import Path

import pandas as pd

from fer_core.base import paths
from fer_core.base.files import write_json, write_text
from fer_core.base.params import Params
from fer_core.evaluation.comparison.report import comparison_frame
from fer_core.report.facts.collect import collect_facts, read_scope
from fer_core.report.facts.summary import headline, summary
from fer_core.report.facts.tables import (
    confusion_points,
    hard_lines,
    history_points,
    leaderboard_lines,
    per_source_lines,
    reliability_points,
    students_lines,
)
from fer_core.report.facts.trust import unfinished_methods
from fer_core.report.run.publish import preference_of, publish
from stages.entry import run_stage

DATA = Path("data")
METRICS, PLOTS, PAGE = paths.METRICS, paths.PLOTS, paths.REPORT
log = logging.getLogger(__name__)


def main() -> None:
    """Read everything first, then write everything."""
    params = Params.load()
    scope = read_scope()
    facts = collect_facts(DATA, scope)
    for warning in (preference_of(facts, params).warning, unfinished_methods(facts)):
        if warning:
            log.warning("%s", warning)
    tables = {
        METRICS / "leaderboard.csv": pd.DataFrame(leaderboard_lines(facts)),
        METRICS / "comparison.csv": comparison_frame(facts.comparison),
        METRICS / "resultssummarystudents.csv": pd.DataFrame(
            [
                line
                for name in facts.deployed.evaluation.sets
                for line in students_lines(facts, name)
            ]
        ),
        METRICS / "per_source_f1.csv": pd.DataFrame(per_source_lines(facts)),
        METRICS / "hard_cases.csv": pd.DataFrame(hard_lines(facts)),
        PLOTS / "history_students.csv": history_points(facts, scope.students),
        PLOTS / "history_teachers.csv": history_points(facts, scope.trained),
        PLOTS / "confusion.csv": confusion_points(facts),
        PLOTS / "reliability.csv": reliability_points(facts, scope.deployed),
    }
    numbers = {
        METRICS / "summary.json": summary(facts),
        METRICS / "headline.json": headline(facts),
    }
    for path, values in numbers.items():
        write_json(path, values)
    for path, table in tables.items():
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
    publish(PAGE, facts, params, DATA)
    log.info("%d models on %s: %s", len(facts.models), scope.compare_set, PAGE / "index.html")


if __name__ == "__main__":
    run_stage(main)
