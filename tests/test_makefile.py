"""Targets of the Makefile that do more than call a command."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def clean_runs(runs: Path) -> None:
    command = ["make", "clean-runs", f"BIN={Path(sys.executable).parent}"]
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {
        "FER_RUNS": str(runs)
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_scratch_folders_are_deleted_where_the_settings_have_them_and_nothing_beside_them(
    tmp_path: Path,
) -> None:
    runs = tmp_path / "scratch disk"
    for name in (
        "student/kd-1/0123/state.pt",
        "student/kd-1/0123.lock",
        "teacher_fold/a/state.pt",
        "thesis/chapter1.tex",
    ):
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).write_text("x")
    clean_runs(runs)
    assert [path.name for path in runs.iterdir()] == ["thesis"]
    clean_runs(tmp_path / "none")


def test_every_stage_that_trains_has_its_scratch_folders_deleted() -> None:
    deleted = set(re.findall(r'"\$\$runs"/(\w+)', (ROOT / "Makefile").read_text()))
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert deleted == {
        name
        for name, body in stages.items()
        if "fer_core/training/loop" in body.get("do", body)["deps"]
    }
