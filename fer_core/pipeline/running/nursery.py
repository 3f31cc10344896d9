"""Stages forked from processes that have loaded the libraries already.

Loading torch and timm takes four seconds of a core, more than many stages work on the sample. A
`Nursery` loads them once; each stage is a child of it with an environment, folder and output of its
own, as if `python -m` had started it. Code of ours is loaded by the child, so a stage runs the code
that is there when it starts. Where there is no fork (Windows) or where it is not safe (macOS), and
for commands of other kinds, a stage is an ordinary process.
"""

import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from fer_core.base.signals import signal_group
from fer_core.pipeline.checkout.workspace import Command
from fer_core.pipeline.running.nursery_process import MESSAGE

__all__ = ["Nurseries", "Process", "start_process"]

log = logging.getLogger(__name__)

LIGHT = (
    *("stages", "numpy", "pandas", "pyarrow.parquet", "scipy.optimize", "scipy.stats"),
    *("pydantic", "pydantic_settings", "yaml", "tqdm", "psutil", "typer"),
)
HEAVY = (*LIGHT, "torch", "timm", "timm.optim", "safetensors.torch")
"""What a nursery loads; `stages` first, for it sets variables that libraries read."""
_FEWEST = 2  # stages that a nursery is worth its own start for
_PLAIN = re.compile(r"python -m (stages\.\w+)((?: [\w@./:=+,-]+)*)")
_CAN_FORK = sys.platform == "linux"


@dataclass
class Process:
    """A running stage.

    Attributes:
        pid: number of the process, which leads a session of its own.
        stdout: what it prints, as text.
        cpu: CPU seconds of it and its children, once it has ended.
        peak: of its resident memory, in bytes, once it has ended.
    """

    pid: int
    stdout: IO[str]
    _wait: Callable[["Process", bool], int | None]
    status: int | None = None
    cpu: float = 0.0
    peak: int = 0
    started: float = field(default_factory=time.monotonic)

    def poll(self) -> int | None:
        """The status, or None while it runs."""
        if self.status is None:
            self.status = self._wait(self, False)
        return self.status

    def wait(self) -> int:
        """The status, negative after a signal."""
        while self.status is None:
            self.status = self._wait(self, True)
        return self.status

    def signal(self, number: int) -> None:
        """Send a signal to it and to all it has started."""
        signal_group(self, number)


def start_process(command: Command, environment: Mapping[str, str]) -> Process:
    """Start a stage as an ordinary process."""
    process = subprocess.Popen(
        command.arguments,
        cwd=command.folder,
        shell=isinstance(command.arguments, str),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def wait(self: Process, block: bool) -> int | None:
        if not hasattr(os, "wait4"):
            return process.wait() if block else process.poll()
        pid, status, used = os.wait4(process.pid, 0 if block else os.WNOHANG)
        if pid == 0:
            return None
        self.cpu, self.peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode

    assert process.stdout is not None
    return Process(process.pid, process.stdout, wait)


class Nurseries:
    """Nurseries of one run, by number of threads and by what is loaded: OpenMP reads the number
    when torch is loaded.

    Args:
        wants: of every stage to come: its threads, and whether it needs torch.
    """

    def __init__(self, wants: Iterable[tuple[str, bool]]) -> None:
        kinds = Counter(wants) if _CAN_FORK else Counter()
        self._nurseries = {
            kind: _Nursery(*kind) for kind, count in kinds.items() if count >= _FEWEST
        }

    def start(self, command: Command, environment: Mapping[str, str], heavy: bool) -> Process:
        """Start a stage, in a nursery where there is one for it."""
        nursery = self._nurseries.get((environment["OMP_NUM_THREADS"], heavy))
        plain = _PLAIN.fullmatch(command.text)
        if nursery is None or plain is None:
            return start_process(command, environment)
        try:
            return nursery.start(plain[1], shlex.split(plain[2]), command.folder, environment)
        except (BrokenPipeError, ConnectionError):  # killed, perhaps for memory
            return start_process(command, environment)

    def close(self) -> None:
        """Let the nurseries end; children that still run go on."""
        for nursery in self._nurseries.values():
            nursery.close()


class _Nursery:
    def __init__(self, threads: str, heavy: bool) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ended: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fer_core.pipeline.running.nursery_process"),
                    str(theirs.fileno()),
                    ",".join(HEAVY if heavy else LIGHT),
                ],
                env=os.environ | {"OMP_NUM_THREADS": threads},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(
        self, module: str, arguments: list[str], folder: str, environment: Mapping[str, str]
    ) -> Process:
        order = {
            "module": module,
            "arguments": arguments,
            "folder": folder,
            "environment": dict(environment),
        }
        read, write = os.pipe()
        try:
            socket.send_fds(self._channel, [json.dumps(order).encode()], [write])
        finally:
            os.close(write)
        while "started" not in (told := self._hear(block=True)):
            self._ended[told["ended"]] = told
        return Process(told["started"], os.fdopen(read, errors="replace"), self._wait)

    def _wait(self, process: Process, block: bool) -> int | None:
        while process.pid not in self._ended:
            try:
                told = self._hear(block)
            except (BrokenPipeError, ConnectionError):
                log.error("the process that stages are forked from was killed; they end too")
                os.killpg(process.pid, signal.SIGTERM)
                return 1
            if not told:
                return None
            self._ended[told["ended"]] = told
        told = self._ended.pop(process.pid)
        process.cpu, process.peak = told["cpu"], told["peak"] * 1024
        return int(told["status"])

    def _hear(self, block: bool) -> dict[str, Any]:
        """The next message; empty where there is none yet.

        Raises:
            BrokenPipeError: the nursery is gone, killed perhaps.
        """
        try:
            data = self._channel.recv(MESSAGE, 0 if block else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return {}
        if not data:
            raise BrokenPipeError("the process that stages are forked from was killed")
        return dict(json.loads(data))

    def close(self) -> None:
        self._channel.close()
