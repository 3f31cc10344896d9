"""Waiting for what happens, not for a time: machines differ threefold in speed."""

import threading
import time
from collections.abc import Callable

__all__ = ["until", "when"]


def until(ready: Callable[[], object], patience: float = 120.0) -> None:
    """Return as soon as something is so, or after so many seconds."""
    end = time.monotonic() + patience
    while not ready() and time.monotonic() < end:
        time.sleep(0.02)


def when(ready: Callable[[], object], act: Callable[[], object]) -> threading.Thread:
    """Does something as soon as something is so, beside the test."""

    def wait() -> None:
        until(ready)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread
