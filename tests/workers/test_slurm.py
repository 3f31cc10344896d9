"""Slurm's side of a run, with programs of its names that answer as Slurm does; `bench/slurm_proof.sh`
is the proof with a real one.
"""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from fer_core.base.errors import MachineError, ParamsError
from fer_core.workers import slurm as on_slurm
from fer_core.workers.slurm import Slurm
from tests.pipeline.checkouts import run
from tests.waiting import when
from tests.workers.away import epochs, ran, recorded, run_away, workers

PROGRAM = """#!{python}
import json, os, signal, subprocess, sys
from pathlib import Path
place, name, words = Path({place!r}), Path(sys.argv[0]).name, sys.argv[1:]
options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
jobs = {{file.stem: json.loads(file.read_text()) for file in place.glob("*.job")}}
with (place / "log").open("a") as log:
    log.write(json.dumps([name, *words]) + "\\n")
if (place / f"{{name}}.says").exists():
    sys.exit((place / f"{{name}}.says").read_text())
if name == "sinfo":
    print("short")
elif name == "sbatch":
    number = str(100 + len(jobs))
    script = place / f"{{number}}.sh"
    script.write_text(sys.stdin.read())
    out = open(options["output"], "a")
    process = subprocess.Popen(["sh", str(script)], cwd=options["chdir"], stdout=out, stderr=out,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    (place / f"{{number}}.job").write_text(json.dumps({{"pid": process.pid}}))
    print(number)
elif name == "squeue":
    told = place / "state"
    for number, job in jobs.items():
        try:
            alive = "Z" not in Path(f"/proc/{{job['pid']}}/stat").read_text().split()[2]
        except FileNotFoundError:
            alive = False
        ended = told.read_text() if told.exists() else "COMPLETED"
        if ended == "PENDING":
            print(f"{{number}}|PENDING|PartitionConfig|")
            continue
        print(f"{{number}}|{{'RUNNING' if alive else ended}}|None|node7")
elif name == "scancel":
    job = jobs[words[-1]]
    try:
        os.killpg(job["pid"], int(options.get("signal", signal.SIGTERM)))
    except ProcessLookupError:
        pass
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the programs' notes; the programs come first in PATH."""
    folder, programs = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir(), programs.mkdir()
    for name in ("sinfo", "sbatch", "squeue", "scancel"):
        (programs / name).write_text(PROGRAM.format(python=sys.executable, place=str(folder)))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(on_slurm, "_PATIENCE", 0.2)
    return folder


def calls(place: Path, name: str) -> list[list[str]]:
    lines = [json.loads(line) for line in (place / "log").read_text().splitlines()]
    return [words for program, *words in lines if program == name]


def test_records_are_byte_for_byte_those_of_a_run_here(checkout: Path, place: Path) -> None:
    wants = {"gpus": 2, "job_memory_gb": 4.0, "job_hours": 1.5, "address": "short"}
    assert run_away(checkout, on="slurm", **wants) == 0
    away = recorded(checkout)
    ran(checkout)
    asked = calls(place, "sbatch")
    assert len({words[0] for words in asked}) == 4
    for words in asked:
        assert {"--partition=short", "--cpus-per-task=1", "--mem=3815M", "--time=90"} <= {*words}
        assert not any(word.startswith("--gpus") for word in words), "no stage here uses torch"
    (checkout / "dvc.lock").unlink()
    assert run(force=True) == 0
    assert recorded(checkout) == away


def test_a_preempted_job_is_submitted_again_and_goes_on(
    training: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def preempt() -> None:
        (place / "state").write_text("PREEMPTED")
        for worker in workers(training):
            os.kill(worker, signal.SIGKILL)
        when(lambda: len(calls(place, "sbatch")) > 1, (place / "state").unlink)

    when(lambda: epochs(training) >= 2, preempt)
    assert run_away(training, on="slurm") == 0
    told = capsys.readouterr().out
    assert "the node is lost (job 100 on node7: PREEMPTED)" in told
    assert "from epoch 2" in told or "from epoch 3" in told


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("OUT_OF_MEMORY", "more memory than it had asked for"),
        ("TIMEOUT", "its time was up"),
        ("CANCELLED", "job was cancelled"),
    ],
)
def test_a_job_that_slurm_has_ended_says_why_where_and_what_to_do(
    training: Path, place: Path, capsys: pytest.CaptureFixture[str], state: str, told: str
) -> None:
    def end() -> None:
        (place / "state").write_text(state)
        for worker in workers(training):
            os.kill(worker, signal.SIGTERM)

    when(lambda: epochs(training) >= 1, end)
    assert run_away(training, on="slurm") == 1
    shown = capsys.readouterr().out
    assert told in shown and "stage train on node node7, job 100" in shown
    assert "remedy" in shown and "goes on from the last epoch" in shown
    (place / "state").unlink()
    assert run_away(training, on="slurm") == 0
    assert "from epoch 0" not in capsys.readouterr().out


@pytest.mark.parametrize("state", ["TIMEOUT", "PREEMPTED"])
def test_a_job_that_is_ended_after_a_good_answer_has_done_its_stage(
    checkout: Path, place: Path, state: str
) -> None:
    (place / "state").write_text(state)
    assert run_away(checkout, "make@a", on="slurm") == 0
    assert len(calls(place, "sbatch")) == 1


def test_ctrl_c_stops_the_job(training: Path, place: Path) -> None:
    text = (training / "stage.py").read_text().replace("epochs < 4", "epochs < 400")
    (training / "stage.py").write_text(text)
    when(lambda: epochs(training) >= 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert run_away(training, on="slurm") == 130
    assert calls(place, "scancel") == [["--signal=2", "--full", "100"]]
    assert not workers(training) and not (training / "dvc.lock").exists()


def test_a_job_that_slurm_refuses_is_told(
    checkout: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "sbatch.says").write_text("sbatch: error: Requested node configuration is not there")
    assert run_away(checkout, "make@a", on="slurm") == 1
    told = capsys.readouterr().out
    assert "Slurm refuses a job" in told and "stage make@a" in told and "node configuration" in told


def test_a_job_that_can_never_run_is_taken_back_and_told(
    checkout: Path,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Slurm does with more CPUs than any node has."""
    monkeypatch.setattr(on_slurm, "_GRACE", 1.0)
    (place / "state").write_text("PENDING")
    assert run_away(checkout, "make@a", on="slurm", threads=64) == 1
    told = capsys.readouterr().out
    assert "No node of Slurm has what a stage asks for" in told and "cpus=64" in told
    assert "waits: PartitionConfig" in told and calls(place, "scancel") == [["100"]]


def test_a_partition_that_does_not_exist_is_told(place: Path) -> None:
    with pytest.raises(ParamsError, match=r"no such partition[\s\S]*long[\s\S]*short"):
        Slurm("long")


def test_a_controller_that_does_not_answer_is_told(place: Path) -> None:
    (place / "sinfo.says").write_text("slurm_load_partitions: Unable to contact slurm controller")
    with pytest.raises(MachineError, match=r"does not answer[\s\S]*Unable to contact"):
        Slurm()


def test_without_slurm_the_error_says_where_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="login node"):
        Slurm()
