"""Workers as processes of this machine: to try a store and the settings out before a cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from fer_core.base.signals import signal_group
from fer_core.workers.order import NodeLost, Order, Result

__all__ = ["Processes", "worker_command"]


def worker_command(python: str, file: Path) -> list[str]:
    """What starts a worker; the working folder is an unpacked snapshot."""
    return [python, "-m", "fer_core.workers.worker", str(file)]


class Processes:
    """See the module."""

    def submit(self, order: Order, file: Path) -> "_Job":
        """Start a worker in a session of its own."""
        return _Job(order, file)

    def close(self) -> None:
        """There is nothing to let go of."""


class _Job:
    def __init__(self, order: Order, file: Path) -> None:
        self._result = Path(order.result)
        self._process = subprocess.Popen(
            worker_command(sys.executable, file),
            cwd=Path(order.snapshot).with_suffix(""),
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            yield from lines

    def result(self) -> Result:
        status = self._process.wait()
        if (found := Result.read(self._result)) is None:
            raise NodeLost(f"the worker ended with status {status}")
        return found

    def signal(self, number: int) -> None:
        signal_group(self._process, number)
