"""Runs whose stages are with workers, and what is looked at after them."""

import json
from contextlib import suppress
from pathlib import Path

import psutil

from fer_core.base.settings import Settings
from fer_core.pipeline.checkout.workspace import open_workspace
from fer_core.pipeline.running.machine import machine_for
from fer_core.pipeline.running.plan import make_plan
from fer_core.pipeline.running.scheduler import run_plan
from fer_core.workers.executor import open_workers
from tests.pipeline.checkouts import ran

__all__ = ["epochs", "ran", "recorded", "run_away", "settings", "workers"]


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
            executor=open_workers(workspace, told),
        )


def recorded(root: Path) -> dict[str, bytes]:
    """The lock, the run cache's entries, and what the stages made."""
    files = [root / "dvc.lock", root / "word.txt"]
    for folder in (".dvc/cache/runs", "made", "joined", "fact"):
        found = (root / folder).rglob("*")
        files += [file for file in found if file.is_file() and file.name != ".gitignore"]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def workers(root: Path) -> list[int]:
    """Processes that carry out orders of a checkout."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "fer_core.workers.worker" in words:
            with suppress(OSError, ValueError):
                order = json.loads(Path(words[-1]).read_text())
                if order["node_folder"] == str(root.parent / "node"):
                    found.append(process.pid)
    return found


def epochs(root: Path) -> int:
    file = root / "runs/epochs"
    return int(file.read_text() or 0) if file.exists() else 0
