"""A plain classifier on data that lack a class: no teachers, one method, the whole pipeline."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_core.base.params import read_params
from fer_core.pipeline.dag.dag import synced
from fer_core.predict.predictor import Predictor
from tests.shipped import ROOT, SAMPLE
from tests.test_pipeline import change_params, lay_project, make_small

pytestmark = pytest.mark.slow


def make_plain(params: dict[str, Any]) -> None:
    make_small(params)
    params["manifest"]["sources"] = ["custom"]
    params["teachers"] = {}
    params["student"]["methods"] = ["ce"]  # the section of kd stays and is ignored
    params["deploy"].update(student="ce-1", precisions=["fp32"])


def test_it_runs_to_the_end_and_never_answers_the_class_that_nobody_has(tmp_path: Path) -> None:
    project = lay_project(tmp_path / "project")
    shutil.copy(project.root / "profiles/custom_scratch.yaml", project.root / "params.yaml")
    change_params(project.root / "params.yaml", make_plain)
    for split in ("train", "test"):
        shutil.rmtree(project.root / "raw/faces" / split / "Neutral")
    assert "never answered" in project.fer("data", "add", "custom", "raw/faces", "--absent")
    before = (project.root / "dvc.yaml").read_text()
    project.fer("dag", "sync")
    text = (project.root / "dvc.yaml").read_text()
    assert "#~  ensemble:\n#~    desc:" in text and "#~  softlabels:\n" in text
    stages = project.rerun()
    assert {"student@ce-1", "evaluate@ce-1", "compare", "onnx", "report", "web"} <= stages
    assert not stages & {"ensemble", "leaderboard", "softlabels", "hard_cases"}
    page = (project.root / "data/report/index.html").read_text()
    assert "Nobody in the data has Neutral" in page and "Hard cases" not in page
    assert "never answered: Neutral" in (project.root / "data/onnx/MODEL_CARD.md").read_text()
    assert json.loads((project.root / "metrics/summary.json").read_text())["everything"]["ce-1"]
    predictor = Predictor(project.root / "data/onnx/student.fp32.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    assert not predictor.predict(list(noise)).probabilities[:, 6].any()
    assert project.rerun() == set()
    assert synced(text, read_params(SAMPLE), ROOT) == before
