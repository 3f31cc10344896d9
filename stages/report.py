"""Publish what lives in git, and one page to read.

Reads the gate's report, every training record, evaluation and calibration, the leaderboard, the
ensemble, its metrics as soft labels, the comparison, the hard cases, the reports of the ONNX
export, what `latency` left in `metrics/`, and the pack for the faces shown. Writes
`data/report/index.html`, a page of every hard val face beside it, and small files in `metrics/` and
`plots/`.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from fer_core.base import paths
from fer_core.base.files import new_folder, write_json, write_text
from fer_core.base.params import Params
from fer_core.base.provenance import surroundings
from fer_core.base.settings import project_root
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.comparison.report import comparison_frame
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.report.facts.change import committed_summary
from fer_core.report.facts.collect import collect_facts, read_scope
from fer_core.report.facts.preference import val_preference
from fer_core.report.facts.summary import summary
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
from fer_core.report.run.page import SHEET, PageContext, render_hard_sheet, render_page
from stages.entry import run_stage

DATA = Path("data")
METRICS, PLOTS, PAGE = paths.METRICS, paths.PLOTS, paths.REPORT
SHOWN = (
    "seed",
    "manifest",
    "sets",
    "preprocessing",
    "views",
    "init",
    "teacher",
    "teachers",
    "ensemble",
    "student",
    "evaluation",
    "deploy",
)

log = logging.getLogger(__name__)


def main() -> None:
    """Read everything first, then write everything."""
    params = Params.load()
    scope = read_scope()
    facts = collect_facts(DATA, METRICS, scope)
    dev, test = (Pack.open(DATA / "pack" / half) for half in ("dev", "test"))
    options = params.section("evaluation", EvaluationOptions)
    preference = val_preference(
        {key: model.evaluation for key, model in facts.each_student()},
        scope.deployed,
        options,
        params.section("seed", int),
    )
    for warning in (preference.warning, unfinished_methods(facts)):
        if warning:
            log.warning("%s", warning)
    root = project_root()
    context = PageContext(
        params={name: params.section(name, Any) for name in SHOWN},
        made_with=surroundings(root),
        preference=preference,
        committed=committed_summary(root),
    )
    page, sheet = render_page(facts, dev, test, context), render_hard_sheet(facts, dev)
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
        PLOTS / "history_teachers.csv": history_points(facts, scope.teachers),
        PLOTS / "confusion.csv": confusion_points(facts),
        PLOTS / "reliability.csv": reliability_points(facts, scope.deployed),
    }
    write_json(METRICS / "summary.json", summary(facts))
    for path, table in tables.items():
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
    with new_folder(PAGE) as folder:
        write_text(folder / "index.html", page)
        write_text(folder / SHEET, sheet)
    log.info("%d models on %s: %s", len(facts.models), scope.compare_set, PAGE / "index.html")


if __name__ == "__main__":
    run_stage(main)
