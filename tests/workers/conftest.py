"""Checkouts whose stages run elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.checkouts import lay_checkout

LONG = """\
import os, sys, time
from pathlib import Path
scratch = Path(os.environ["FER_RUNS"]); scratch.mkdir(exist_ok=True)
done = scratch / "epochs"
epochs = int(done.read_text()) if done.exists() else 0
print("from epoch", epochs, flush=True)
while epochs < 4:
    time.sleep(0.4)
    epochs += 1
    done.write_text(str(epochs))
    print("epoch", epochs, flush=True)
Path("trained").write_text("weights\\n")
"""


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


@pytest.fixture
def training(checkout: Path) -> Path:
    """A checkout whose only stage goes on from its last epoch."""
    (checkout / "stage.py").write_text(LONG)
    (checkout / "dvc.yaml").write_text(
        "stages:\n  train: {cmd: python stage.py, deps: [stage.py], outs: [trained]}\n"
    )
    return checkout
