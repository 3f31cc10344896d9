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

from fer_core.base.files import new_folder, write_json, write_text
from fer_core.base.params import load_section
from fer_core.base.provenance import surroundings
from fer_core.base.settings import project_root
from fer_core.dataset.pack.pack import Pack
from fer_core.evaluation.comparison.convergence import unfinished
from fer_core.evaluation.metrics.options import EvaluationOptions
from fer_core.report.run.hard import SHEET, render_hard_sheet
from fer_core.report.run.inputs import Selection, read_inputs
from fer_core.report.run.page import render_page
from fer_core.report.run.preference import val_preference
from fer_core.report.run.summary import summary
from fer_core.report.run.tables import (
    comparison_table,
    confusion_points,
    hard_lines,
    history_points,
    leaderboard_lines,
    per_source_lines,
    reliability_points,
    students_lines,
)
from stages.entry import run_stage

DATA = Path("data")
METRICS, PLOTS, PAGE = Path("metrics"), Path("plots"), Path("data/report")
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
    params: dict[str, Any] = {name: load_section(name, Any) for name in SHOWN}
    teachers: dict[str, Any] = load_section("teachers", dict[str, Any])
    selection = Selection(
        teachers=tuple(teachers),
        methods=tuple(load_section("student.methods", list[str])),
        seeds=tuple(load_section("student.seeds", list[int])),
        deployed=load_section("deploy.student", str),
        compare_set=load_section("evaluation", EvaluationOptions).compare_sets[0],
        stages={tag: entry.get("stage", "a") for tag, entry in teachers.items()},
    )
    inputs = read_inputs(DATA, METRICS, selection)
    dev, test = (Pack.open(DATA / "pack" / half) for half in ("dev", "test"))
    students = {key: model.evaluation for key, model in inputs.each_student()}
    preference = val_preference(
        students,
        selection.deployed,
        load_section("evaluation", EvaluationOptions),
        load_section("seed", int),
    )
    histories = {
        method: [inputs.models[f"{method}-{seed}"].history for seed in selection.seeds]
        for method in selection.methods
    }
    warnings = [text for text in (preference.warning, unfinished(histories)) if text]
    for warning in warnings:
        log.warning("%s", warning)
    values, sheet = summary(inputs), render_hard_sheet(inputs, dev)
    page = render_page(inputs, dev, test, params, surroundings(project_root()), warnings)
    tables = {
        METRICS / "leaderboard.csv": pd.DataFrame(leaderboard_lines(inputs)),
        METRICS / "comparison.csv": comparison_table(inputs),
        METRICS / "resultssummarystudents.csv": pd.DataFrame(
            [
                line
                for name in inputs.deployed.evaluation.sets
                for line in students_lines(inputs, name)
            ]
        ),
        METRICS / "per_source_f1.csv": pd.DataFrame(per_source_lines(inputs)),
        METRICS / "hard_cases.csv": pd.DataFrame(hard_lines(inputs)),
        PLOTS / "history_students.csv": history_points(inputs, selection.students),
        PLOTS / "history_teachers.csv": history_points(inputs, selection.teachers),
        PLOTS / "confusion.csv": confusion_points(inputs),
        PLOTS / "reliability.csv": reliability_points(inputs, selection.deployed),
    }
    write_json(METRICS / "summary.json", values)
    for path, table in tables.items():
        _write_csv(path, table)
    with new_folder(PAGE) as folder:
        write_text(folder / "index.html", page)
        write_text(folder / SHEET, sheet)
    log.info("%d models on %s: %s", len(inputs.models), selection.compare_set, PAGE / "index.html")


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    run_stage(main)
