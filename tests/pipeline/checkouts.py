"""A small checkout under git and DVC, whose stages note that they ran."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from fer_core.pipeline.checkout.workspace import open_workspace
from fer_core.pipeline.running.machine import Machine
from fer_core.pipeline.running.nursery import Nurseries
from fer_core.pipeline.running.plan import make_plan
from fer_core.pipeline.running.scheduler import run_plan
from tests.shipped import ROOT

__all__ = ["PARAMS", "PIPELINE", "dvc", "lay_checkout", "ran", "run"]

PARAMS = """\
rates: {small: 1e-5, point: 1.0e-05, one: 1.0, none: null, exact: 0.1}
words: ['yes', "no", '012', 'a: b', '# c', 'ünï', '', ' x ', "1e3", "~"]
nested: {lists: [[1, 2], []], empty: {}, flag: true}
long: a sentence that is longer than eighty columns so that a writer of YAML has to fold it somewhere
"""
PIPELINE = """\
stages:
  make:
    foreach: {a: 1, b: 2}
    do:
      cmd: python stage.py made/${key} ${item}
      deps: [stage.py]
      params: [rates, words]
      outs: ['made/${key}']
  join:
    cmd:
      - python stage.py joined
      - echo joined > word.txt
    deps: [made/a, made/b, added.txt]
    params: [nested, long]
    outs: [joined]
    metrics: [word.txt: {cache: false}]
  fact:
    cmd: python stage.py fact
    deps: [joined]
    outs: [fact: {cache: false}]
"""
STAGE = """\
import os, sys, time
from pathlib import Path
out = Path(sys.argv[1])
with open(os.environ.get("RAN", os.devnull), "a") as log:
    log.write(out.name + "\\n")
time.sleep(float(os.environ.get("PACE", "0")))
if out.name == os.environ.get("FAILS"):
    sys.exit(7)
out.mkdir(parents=True)
(out / "value.txt").write_text(f"{sys.argv[2:]}\\n")
(out / "more").mkdir()
(out / "more" / "big.bin").write_bytes(bytes(range(256)) * 20)
"""


def lay_checkout(root: Path) -> Path:
    """Write the checkout and put it under git and DVC."""
    root.mkdir(exist_ok=True)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for name, text in (
        ("params.yaml", PARAMS),
        ("dvc.yaml", PIPELINE),
        ("stage.py", STAGE),
        ("added.txt", "by hand\n"),
    ):
        (root / name).write_text(text, encoding="utf-8")
    (root / ".dvc/tmp").mkdir(parents=True)
    (root / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())
    (root / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    return root


def run(*targets: str, jobs: int = 2, force: bool = False, wait: bool = True) -> int:
    """The status of a run in the working folder."""
    with open_workspace(wait) as workspace:
        plan = make_plan(workspace, targets, force)
        plain = Nurseries(())  # none of these commands could be forked from one that is ready
        machine = Machine(jobs, 2, ())
        return run_plan(plan, machine, lambda _: False, workspace, executor=plain)


def ran(root: Path) -> list[str]:
    """Stages that ran, in order of name; the log is emptied."""
    log = root.parent / "ran.log"
    lines = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def dvc(root: Path, *arguments: Iterable[str]) -> str:
    """Output of a DVC command."""
    command = [str(Path(sys.executable).parent / "dvc"), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
