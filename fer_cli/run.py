"""`fer run`: dvc repro as this project needs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import typer

from fer_cli.dag import DVC_FILE, synced
from fer_cli.schema import check_params
from fer_core.errors import ParamsError
from fer_core.params import PARAMS_FILE, read_params

__all__ = ["run"]

_LOCK = Path("dvc.lock")


def run(context: typer.Context) -> None:
    """Run the pipeline: `dvc repro` with all its options, safe to interrupt.

    Waits for DVC's lock instead of failing after the work is done, uses this very Python, and passes SIGINT and SIGTERM on to
    the stage, which DVC itself does not.
    """
    params = read_params()
    if not _LOCK.exists() or _LOCK.stat().st_mtime < PARAMS_FILE.stat().st_mtime:
        check_params(params, PARAMS_FILE)  # loads what each section belongs to, so only after an edit; stages check their own anyway
    text = DVC_FILE.read_text(encoding="utf-8")
    if synced(text, params) != text:
        raise ParamsError("dvc.yaml does not fit params.yaml or the code.", where=DVC_FILE, remedy="run `fer dag sync`")
    binaries = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(binaries / "dvc"), "--wait-for-lock", "repro", *context.args]
    process = subprocess.Popen(command, env=environment, start_new_session=True)

    def forward(number: int, frame: FrameType | None) -> None:
        os.killpg(process.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)
    status = process.wait()
    raise typer.Exit(128 - status if status < 0 else status)
