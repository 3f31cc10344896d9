"""Stages that workers run elsewhere leave what they would have left here.

The workers are processes of this machine with a checkout and a cache of their own, or with a shared
cache; they do what those of Ray and Slurm do.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from fer_core.base.errors import MachineError
from fer_core.pipeline.checkout.workspace import open_workspace
from fer_core.pipeline.running.machine import machine_for, stage_threads
from fer_core.pipeline.running.plan import make_plan
from fer_core.pipeline.running.scheduler import run_plan
from fer_core.workers import executor, order, processes
from fer_core.workers.executor import Workers, open_workers
from fer_core.workers.order import Job, Order
from fer_core.workers.store import remote_settings
from tests.pipeline.checkouts import PARAMS, run
from tests.waiting import when
from tests.workers.away import epochs, ran, recorded, run_away, settings, workers

ALL = ["a", "b", "fact", "joined"]


@pytest.mark.parametrize("store", ["", "store"])
def test_records_are_byte_for_byte_those_of_a_run_here(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    other = shutil.copytree(checkout, tmp_path / "other")
    for change in (
        lambda root: None,
        lambda root: (root / "params.yaml").write_text(PARAMS.replace("[1, 2]", "[1, 3]")),
        lambda root: (root / "stage.py").open("a").write("# uncommitted\n"),
    ):
        change(checkout), change(other)
        assert run_away(checkout, store=store) == 0
        away = ran(checkout)
        monkeypatch.chdir(other)
        assert run() == 0
        assert ran(other) == away, "the same stages run"
        monkeypatch.chdir(checkout)
        assert recorded(checkout) == recorded(other)
    assert run_away(checkout, store=store) == run() == 0
    assert ran(checkout) == [], "nothing is left to do, here or elsewhere"
    assert (checkout / "joined/value.txt").stat().st_nlink > 1, "a link to the cache"
    assert (checkout / "fact/value.txt").stat().st_nlink == 1, "git keeps this one"
    orders = checkout / ".dvc/tmp/orders"
    assert not list(orders.glob("*.json")), "no order is left"
    assert len(list(orders.glob("*.tar"))) <= 1, "stages change nothing in it"
    kept = {path.name for path in (tmp_path / "node").iterdir()}
    assert kept == ({"cache"} if store else set()), "no checkout is left on the node"
    assert (tmp_path / "store").exists() == bool(store)


def test_a_worker_that_is_killed_is_started_again_and_goes_on_from_its_last_epoch(
    training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        for worker in workers(training):
            os.kill(worker, signal.SIGKILL)

    killer = when(lambda: epochs(training) >= 2, kill)
    assert run_away(training) == 0
    killer.join()
    told = capsys.readouterr().out
    assert "the node is lost (the worker ended with status -9)" in told
    assert "from epoch 0" in told and ("from epoch 2" in told or "from epoch 3" in told)
    assert (training / "trained").read_text() == "weights\n"


def test_what_a_killed_worker_has_started_ends_by_itself(training: Path) -> None:
    text = (training / "stage.py").read_text().replace("epochs < 4", "epochs < 400")
    (training / "stage.py").write_text(text)
    found: list[psutil.Process] = []

    def kill() -> None:
        (worker,) = workers(training)
        found.extend(psutil.Process(worker).children(recursive=True))
        os.kill(os.getpid(), signal.SIGINT)

    when(lambda: epochs(training) >= 1, kill)
    assert run_away(training) == 128 + signal.SIGINT
    assert found and not psutil.wait_procs(found, timeout=10)[1]
    assert 0 < epochs(training) < 400
    assert not (training / "dvc.lock").exists()


def test_a_node_that_is_lost_again_and_again_is_told(
    training: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "worker_command", lambda *_: ["false"])
    assert run_away(training) == 1
    told = capsys.readouterr().out
    assert "A stage lost its node 4 times" in told and "stage train" in told and "goes on" in told


SHELLS = {
    "waits": '/bin/sh "$@"\nexit $?',
    "becomes its command": 'for last; do :; done\neval "exec $last"',
}
"""What a shell may do with the last command of a line: the status of one that is killed differs."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stage_that_is_killed_for_memory_is_told_with_its_node(
    training: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shell: str,
) -> None:
    script = tmp_path / "shell"
    script.write_text(f"#!/bin/sh\n{SHELLS[shell]}\n")
    script.chmod(0o755)
    monkeypatch.setenv("SHELL", str(script))
    (training / "stage.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    assert run_away(training) == 1
    told = capsys.readouterr().out
    assert "most often for memory" in told and f"on node {platform.node()}" in told
    assert "job_memory_gb" in told


def test_a_stage_that_fails_has_its_own_status_and_is_not_started_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "joined")
    assert run_away(checkout, store="store") == 7
    assert ran(checkout) == ["a", "b", "joined"]
    assert json.loads((checkout / ".dvc/tmp/rwlock").read_text()) == {"write": {}, "read": {}}
    monkeypatch.delenv("FAILS")
    assert run_away(checkout, store="store") == 0
    assert ran(checkout) == ["fact", "joined"], "what was done is not done again"


def test_an_object_that_the_store_has_lost_is_sent_again(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_away(checkout, "make", store="store") == 0
    for cache in (tmp_path / "store/files/md5", tmp_path / "node/cache/files/md5"):
        for file in cache.rglob("*"):
            if file.is_file() and not file.name.endswith(".dir"):
                file.unlink()
    assert run_away(checkout, store="store") == 0
    told = capsys.readouterr().out
    assert "lost" not in told or "they are sent again" in told
    assert sorted((checkout / "joined").rglob("*.txt"))


def test_an_object_that_nobody_has_is_an_error_that_names_it(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Forgetful(processes.Processes):
        def submit(self, order: Order, file: Path) -> Job:
            for cache in (tmp_path / "store", tmp_path / "node", checkout / ".dvc/cache"):
                shutil.rmtree(cache / "files", ignore_errors=True)
                shutil.rmtree(cache / "cache", ignore_errors=True)
            return super().submit(order, file)

    assert run_away(checkout, "make", store="store") == 0
    told = settings(checkout, store="store")
    with open_workspace() as workspace:
        away = Workers(workspace, Forgetful(), told)
        plan = make_plan(workspace, ["join"])
        assert run_plan(plan, machine_for(told, 1), lambda _: False, workspace, executor=away) == 1
    told_text = capsys.readouterr().out
    assert "The store has lost an object" in told_text and "fer run --force STAGE" in told_text


@pytest.mark.parametrize("whose", ["coordinator", "worker"])
def test_a_store_without_write_access_is_told(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], whose: str
) -> None:
    """A file where a folder should be: root may write to every folder."""
    stage = "join" if whose == "coordinator" else "make@a"  # what `make` reads is in the snapshot
    run("make")
    (tmp_path / "store").write_text("in the way")
    (checkout / "stage.py").open("a").write("# changed\n")
    (checkout / "added.txt").open("a").write("changed\n")
    if whose == "coordinator":
        run("make")
    assert run_away(checkout, stage, store="store") == 1
    told = capsys.readouterr().out
    assert "The store cannot be written" in told and "dvc push -r NAME" in told
    assert ("node: " in told) == (whose == "worker")
    (tmp_path / "store").unlink()
    assert run_away(checkout, store="store") == 0


def test_a_remote_that_does_not_exist_is_told_before_anything_runs(checkout: Path) -> None:
    with pytest.raises(MachineError, match=r"no DVC remote[\s\S]*shelf[\s\S]*store"):
        run_away(checkout, store="shelf")


def test_secrets_of_a_remote_stay_with_the_coordinator(checkout: Path) -> None:
    with open_workspace() as workspace:
        workspace.repo.config["remote"]["store"] |= {"password": "hush", "timeout": 30}
        found = remote_settings(workspace.repo, "store")
    assert found["timeout"] == 30 and "hush" not in found.values()


def test_other_versions_on_a_node_are_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = order.versions()
    monkeypatch.setattr(executor, "versions", lambda: real | {"numpy": "1.0", "python": "3.99.0"})
    assert run_away(checkout, "make@a") == 1
    told = capsys.readouterr().out
    assert "other versions than the coordinator" in told and "numpy" in told and "3.99.0" in told
    assert f"node: {platform.node()}" in told and "stage: make@a" in told and "make setup" in told
    monkeypatch.undo()


def test_a_node_without_the_gpu_that_it_promised_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert run_away(checkout, "make@a", heavy=True, gpus=2) == 1
    told = capsys.readouterr().out
    assert "does not have the GPUs" in told and "expected: 2" in told and "Gres" in told
    assert run_away(checkout, "make@a", heavy=False, gpus=2) == 0, "it does not use torch"


def test_code_that_is_edited_while_stages_run_counts_for_those_that_start_later(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACE", "1")
    edit = when(
        lambda: (checkout.parent / "ran.log").exists(),
        lambda: (checkout / "stage.py").open("a").write("# edited\n"),
    )
    assert run_away(checkout, "make@a") == 0
    edit.join()
    monkeypatch.setenv("PACE", "0")
    ran(checkout)
    assert run() == 0
    assert ran(checkout) == ALL, "a ran with the code from before the edit"


def test_files_that_git_ignores_and_files_outside_travel_or_are_asked_for(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / ".gitignore").open("a").write("/raw\n/added.txt\n")
    (checkout / "raw").mkdir()
    (checkout / "raw/face.bin").write_bytes(b"face")
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    (checkout / "dvc.yaml").write_text(
        f"stages:\n  copy: {{cmd: cat raw/face.bin {outside} > copied, "
        f"deps: [raw, '{outside}'], outs: [copied]}}\n"
    )
    assert run_away(checkout, store="store") == 0
    assert (checkout / "copied").read_text() == "facex"


def test_a_worker_s_checkout_has_the_commit_and_the_uncommitted_code(checkout: Path) -> None:
    command = "git rev-parse HEAD > seen && git status --porcelain -- stage.py tool.sh >> seen"
    (checkout / "dvc.yaml").write_text(
        f"stages:\n  look: {{cmd: '{command} && ./tool.sh', deps: [tool.sh], outs: [seen]}}\n"
    )
    (checkout / "tool.sh").write_text("#!/bin/sh\ncat link >> seen\n")
    (checkout / "tool.sh").chmod(0o755)
    (checkout / "link").symlink_to("added.txt")
    with (checkout / "stage.py").open("a") as code:
        code.write("# edited\n")
    assert run_away(checkout) == 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    expected = [head.stdout.strip(), " M stage.py", "?? tool.sh", "by hand"]
    assert (checkout / "seen").read_text().splitlines() == expected


def test_a_checkout_outside_git_is_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = subprocess.run

    def broken(command: list[str], **options: object) -> object:
        return real(["false"] if command[0] == "git" else command, **options)  # type: ignore[call-overload]

    with open_workspace() as workspace:
        monkeypatch.setattr(subprocess, "run", broken)
        stage = open_workers(workspace, settings(checkout)).start(
            workspace.begin("make@a"),  # type: ignore[arg-type]
            {"FER_THREADS": "1"},
            False,
        )
        with stage.stdout as lines:
            assert "git checkout" in "".join(lines)
        assert stage.wait() == 1


def test_the_machine_of_a_cluster_gives_every_stage_all_its_threads(checkout: Path) -> None:
    machine = machine_for(settings(checkout, threads=3, jobs=20), None)
    assert machine.jobs == 20 and machine.devices == () and machine.apart
    assert stage_threads(machine, beside=7, stage="any") == "3"
