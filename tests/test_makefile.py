"""Commands of make.py that do more than call another, and the Makefile that names them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import make
from fer_core.base.reading import read_yaml

ROOT = Path(__file__).parents[1]


def clean_runs(runs: Path) -> None:
    command = [sys.executable, "make.py", "clean-runs"]
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {
        "FER_RUNS": str(runs)
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


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


def test_the_makefile_names_every_command_and_each_says_what_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (names,) = re.findall(r"^COMMANDS := (.+)$", (ROOT / "Makefile").read_text(), flags=re.M)
    assert names.split() == [one.__name__.replace("_", "-") for one in make.COMMANDS]
    make.main([])
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == len(make.COMMANDS) and all(line.endswith(".") for line in listed)
    with pytest.raises(SystemExit, match="unknown command reppro"):
        make.main(["reppro"])


def test_nothing_is_done_twice_and_what_changed_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: tmp_path / name for name in ("STAMP", "PAGE", "PLOTS", "source")}
    done: list[str] = []

    def run(program: str, *arguments: str, **_: object) -> None:
        done.append(arguments[-1])
        if arguments[-1].endswith("plots_page"):
            files["PLOTS"].touch()

    for number, file in enumerate(files.values()):
        file.touch()
        os.utime(file, (1000 + number, 1000 + number))
    os.utime(files["source"], (900, 900))
    for name in ("STAMP", "PAGE", "PLOTS"):
        monkeypatch.setattr(make, name, files[name])
    monkeypatch.setattr(make, "LOCKS", (files["source"],))
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "_page_sources", lambda: iter([files["source"]]))
    monkeypatch.setattr(make, "_run", run)
    monkeypatch.setattr(make, "_install", lambda: done.append("install") or files["STAMP"].touch())
    (tmp_path / "fer_core/pipeline/checkout").mkdir(parents=True)
    plots = tmp_path / "fer_core/pipeline/checkout/plots_page.py"
    plots.touch()
    os.utime(plots, (900, 900))
    make.setup()
    assert done == []
    os.utime(files["source"], (1001.5, 1001.5))
    make.setup()
    assert done == ["install", "fer_core.web.build", "fer_core.pipeline.checkout.plots_page"]
    done.clear()
    make.setup()
    assert done == []


def test_an_environment_is_made_anew_where_there_is_one(tmp_path: Path) -> None:
    for _ in range(2):
        make.create_venv(tmp_path / "venv", with_pip=False)
    done = subprocess.run([tmp_path / "venv/bin/python", "-c", "import sys"], check=False)
    assert done.returncode == 0


def test_every_stage_that_trains_has_its_scratch_folders_deleted() -> None:
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    assert set(make.TRAININGS) == {
        name
        for name, body in stages.items()
        if "fer_core/training/loop" in body.get("do", body)["deps"]
    } | {"adapt"}, "the sample does not adapt"
