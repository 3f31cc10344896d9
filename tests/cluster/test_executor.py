"""Stages that workers run elsewhere leave what they would have left here.

The workers are processes of this machine with a checkout and a cache of their own, or with a shared
cache; they do what those of Ray and Slurm do.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_core.base.settings import Settings
from fer_core.cluster import executor, order, processes
from fer_core.cluster.executor import open_cluster
from fer_core.pipeline.plan import make_plan
from fer_core.pipeline.scheduler import machine_for, run_plan
from fer_core.pipeline.workspace import open_workspace
from tests.pipeline.checkouts import PARAMS, lay_checkout, ran, run

ALL = ["a", "b", "fact", "joined"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a commit and a remote in a folder; nodes keep their files beside it."""
    root = lay_checkout(tmp_path / "checkout")
    monkeypatch.chdir(root)
    (root / ".gitignore").write_text("/made\n/joined\n/ran.log\n")
    for command in (["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qmx"]):
        subprocess.run(["git", *command], check=True)
    lines = f"['remote \"store\"']\n    url = {tmp_path / 'store'}\n"
    (root / ".dvc/config.local").write_text(lines)
    monkeypatch.setenv("RAN", str(tmp_path / "ran.log"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("FER_DEVICE", "FER_JOBS"):
        monkeypatch.delenv(name, raising=False)
    return root


def settings(root: Path, **values: object) -> Settings:
    given = {"on": "processes", "threads": 1, "node_folder": str(root.parent / "node")}
    return Settings(**given | values)  # type: ignore[arg-type]


def run_away(root: Path, *targets: str, heavy: bool = False, **values: object) -> int:
    """The status of a run whose stages are with workers."""
    told = settings(root, **values)
    with open_workspace() as workspace:
        return run_plan(
            make_plan(workspace, targets),
            machine_for(told, 2),
            lambda _: heavy,
            workspace,
            executor=open_cluster(workspace, told),
        )


def recorded(root: Path) -> dict[str, bytes]:
    """The lock, the run cache's entries, and what the stages made."""
    files = [root / "dvc.lock", root / "word.txt"]
    for folder in (".dvc/cache/runs", "made", "joined", "fact"):
        files += [file for file in (root / folder).rglob("*") if file.is_file()]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


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
    assert not list((checkout / ".dvc/tmp/orders").glob("*.json")), "no order is left"
    kept = {path.name for path in (tmp_path / "node").iterdir()}
    assert kept == ({"cache"} if store else set()), "no checkout is left on the node"
    assert (tmp_path / "store").exists() == bool(store)
