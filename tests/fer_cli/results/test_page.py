"""The page of a run's whole outcome says what the artifacts say."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fer_cli.results.pages import distillation_page, results_page, trainings_page
from fer_core.base.errors import ArtifactError
from fer_core.base.files import read_json, write_json
from tests.artifacts import rewrite
from tests.report.conftest import STUDENTS, TEACHERS, artifacts, project
from tests.shipped import ROOT

__all__ = ["artifacts", "project"]


def line(page: str, heading: str, first: str) -> list[str]:
    """Cells of the row that begins so, below a heading; entries that are one share a row."""
    part = page.partition(f"## {heading}")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in one.strip("|").split("|")] for one in part.splitlines()]
    return next(cells for cells in rows if first in cells[0].split(" = "))


def test_every_set_model_and_training_is_there_with_its_numbers(project: Path) -> None:
    found = results_page("Of grey faces", Path("pages/grey.md"))
    page = found[Path("pages/grey.md")]
    assert page.startswith("# Of grey faces\n")
    assert "fitted on calib rows.\n\n## Words\n" in page
    for name, rows in (("everything", 210), ("large", 105)):
        for key in (*TEACHERS, *STUDENTS):
            measured = read_json(Path(f"data/calibration/{key}/reliabilitymetrics.json"))[name]
            scaled = measured["temperature_scaled"]["metrics"]
            cells = line(page, f"{name} ({rows} rows)", key)
            assert cells[2] == f"{scaled['accuracy']['value']:.3f}"
            assert cells[-1] == f"{scaled['ece']['value']:.3f}"
    record = read_json(Path("data/students/kd-1/record/summary.json"))
    assert line(page, "Training", "kd-1")[1:6] == [record["arch"], "–", "–", "3", "3"]
    for whose in ("teachers", "students"):
        assert f"](grey-{whose}.svg)" in page
        assert found[Path(f"pages/grey-{whose}.svg")].startswith("<svg ")
    timed = pd.read_csv("metrics/latencybenchmarks.csv").iloc[0]
    assert line(page, "Latency", "reference fp32")[4] == f"{timed['p50_ms']:.2f}"
    assert "torch 2.9.9, timm 1.9.9" in page and "4 contradictory_twins" in page
    assert not re.search(r"\bNone\b|\bnan\b|\{\{", page)


def test_a_page_of_the_trainings_alone_reads_models_and_records_only(project: Path) -> None:
    shutil.rmtree("data/calibration")
    found = trainings_page("What it took", Path("took.md"))
    assert sorted(path.name for path in found) == [
        "took-students.svg",
        "took-teachers.svg",
        "took.md",
    ]
    page = found[Path("took.md")]
    record = read_json(Path("data/students/kd-1/record/summary.json"))
    assert "](took-students.svg)" in page and f"| kd-1 | {record['arch']} | – | – | 3 | 3 |" in page


def test_named_sets_of_train_rows_have_no_table_of_scores(project: Path) -> None:
    values = read_json(Path("data/validation.json"))
    values["sets"] = {"hq_train": 50} | values["sets"]
    write_json(Path("data/validation.json"), values)
    page = results_page("x", Path("x.md"))[Path("x.md")]
    assert "## hq_train" not in page and "## everything (210 rows)" in page
    assert "## hq_train" not in distillation_page("x", None)


def test_trials_stand_on_the_page_where_they_are_given(project: Path) -> None:
    trials = ROOT / "docs/results/tuning-fer2013.csv"
    with_trials = results_page("x", Path("x.md"), trials)[Path("x.md")]
    first = pd.read_csv(trials).iloc[0]
    shown = line(with_trials, "Tuning", first["method"])
    assert shown[1:3] == [first["settings"], f"{first['val_macro_f1']:.3f}"]
    assert "## Tuning" not in results_page("x", Path("x.md"))[Path("x.md")]


def test_a_page_of_two_runs_is_refused(project: Path) -> None:
    path = Path("data/comparison/comparison.json")
    values = read_json(path)
    values["runs"].pop()
    rewrite(path, values)
    with pytest.raises(ArtifactError, match="not of one run"):
        results_page("x", Path("x.md"))
