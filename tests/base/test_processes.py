"""Whether a process runs, on any system."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fer_core.base import processes


def test_a_process_lives_until_it_has_been_waited_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.alive(child.pid) and processes.alive(os.getpid())
    child.communicate(b"\n")
    assert not processes.alive(child.pid)


@pytest.mark.parametrize(
    ("handle", "status", "expected"), [(0, 0, False), (7, 259, True), (7, 0, False)]
)
def test_windows_is_asked_and_no_signal_is_sent(
    monkeypatch: pytest.MonkeyPatch, handle: int, status: int, expected: bool
) -> None:
    """There `os.kill(process, 0)` would end what shares the console."""
    closed = []

    def exit_code(_: int, found: object) -> None:
        found._obj.value = status

    kernel = SimpleNamespace(
        OpenProcess=lambda *_: handle, GetExitCodeProcess=exit_code, CloseHandle=closed.append
    )
    monkeypatch.setattr(processes.os, "name", "nt")
    monkeypatch.setattr(processes.os, "kill", lambda *_: pytest.fail("a signal was sent"))
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    found = processes.alive(1234)
    monkeypatch.undo()
    assert found is expected and closed == ([handle] if handle else [])
