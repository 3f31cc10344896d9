"""Signals that ask a process to end, caught so that it ends where nothing is half done."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

__all__ = ["caught_signals", "run_in_group", "signal_group"]


@contextmanager
def caught_signals(note: Callable[[int], object]) -> Iterator[None]:
    """Context in which SIGINT, SIGTERM and SIGHUP only call `note` with their number.

    A signal that the parent has ignored, as nohup does with SIGHUP, stays ignored.
    """

    def heard(number: int, frame: FrameType | None) -> None:
        note(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows knows no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, heard) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Process(Protocol):
    pid: int

    def poll(self) -> int | None: ...


def signal_group(process: _Process, number: int) -> None:
    """Send a signal to a process that was started in a session of its own, and to all it has
    started; where there are no groups, to it alone. One that has ended is left alone.
    """
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)


def run_in_group(
    command: list[str], environment: Mapping[str, str], folder: Path | None = None
) -> int:
    """Run a command in a session of its own; SIGINT, SIGTERM and SIGHUP are passed on to it and to
    all it has started.

    Returns:
        Its status, negative after a signal.
    """
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    with caught_signals(lambda number: signal_group(process, number)):
        return process.wait()
