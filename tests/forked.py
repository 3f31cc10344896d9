"""Stages that tests start as processes, forked from one that has loaded torch already: loading it
takes longer than most of these tests.
"""

import atexit
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fer_core.pipeline.checkout.workspace import Command
from fer_core.pipeline.running.nursery import Nurseries, Process


@dataclass(frozen=True)
class Finished:
    """How a stage ended, and all that it printed."""

    status: int
    text: str


@cache
def _nurseries() -> Nurseries:
    made = Nurseries([("1", True)] * 2)
    atexit.register(made.close)
    return made


def start(root: Path, module: str, arguments: list[str], environment: Mapping[str, str]) -> Process:
    """Start `python -m stages.MODULE` in a folder, with one thread."""
    text = " ".join(["python -m", f"stages.{module}", *arguments])
    command = Command(text, text.split(), str(root), {}, module)
    return _nurseries().start(command, {**environment, "OMP_NUM_THREADS": "1"}, heavy=True)


def finish(process: Process) -> Finished:
    """Wait for a stage."""
    text = process.stdout.read()
    return Finished(process.wait(), text)


def run(root: Path, module: str, arguments: list[str], environment: Mapping[str, str]) -> Finished:
    """Run a stage to its end."""
    return finish(start(root, module, arguments, environment))


def send_after(
    process: Process,
    words: str,
    number: signal.Signals,
    which: Callable[[Process], int] = lambda process: process.pid,
) -> Finished:
    """Send a signal to the stage, or to another process, once it has printed these words."""
    before = []
    for line in process.stdout:
        before.append(line)
        if words in line:
            os.kill(which(process), number)
            break
    ended = finish(process)
    return Finished(ended.status, "".join(before) + ended.text)
