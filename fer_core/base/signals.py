"""Signals that ask a process to end, caught so that it ends where nothing is half done."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

__all__ = ["caught_signals", "signal_group"]


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
