"""Interrupted runs: signals that end one after the step in progress, and the state that it goes on
from.

A signal ends the process with 128 + n: status 0 would make DVC record a half-trained model as the
result. In a group of processes a signal to any of them ends all after the same step, and so does
the end of the process that started them. A run whose `fer run` is gone stops as well: nobody would
see it work, and the next `fer run` would wait for it.

The state lies in a scratch folder that is named by the hash of everything that defines the run:
`runs/<stage>/<key>/<hash>/`, outside DVC's outs, under `$DVC_ROOT`. Started again, a run finds its
own state; changed inputs give another hash, so a stale state cannot be picked up. A lock that the
kernel releases with the process makes a second run of the same hash wait. The folder is removed
when the run's outs are written.
"""

import hashlib
import io
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from fer_core.base.errors import TrainingError, WriteError
from fer_core.base.files import new_file
from fer_core.base.processes import run_has_ended
from fer_core.base.signals import caught_signals
from fer_core.models.devices import distributed

__all__ = ["Scratch", "code_hash", "interruption", "open_scratch"]

log = logging.getLogger(__name__)

_DIGEST_BYTES = 32


@contextmanager
def interruption() -> Iterator[Callable[[int], None]]:
    """Context in which SIGINT, SIGTERM and SIGHUP (unless nohup has it ignored) only leave a note;
    the function given ends the process after one: called with the number of finished epochs, it
    raises SystemExit(128 + n) if signal n has come.
    """
    received, parent = [0], os.getppid()

    def note(number: int) -> None:
        received[0] = number

    def check(finished_epochs: int) -> None:
        if run_has_ended() or (distributed.size() > 1 and os.getppid() != parent):
            received[0] = signal.SIGTERM
        if number := distributed.highest(received[0]):
            if distributed.is_first():
                log.warning(
                    "%s: stopped; %d finished epochs are kept, the same command goes on from there",
                    signal.Signals(number).name,
                    finished_epochs,
                )
            raise SystemExit(128 + number)

    with caught_signals(note):
        yield check


class Scratch:
    """State of a run on disk: at most one file, replaced in one step.

    The file begins with the SHA-256 of the rest, because torch reads a file with a flipped bit
    without an error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None at the start of a run.

        Raises:
            TrainingError: the file is damaged.
        """
        if not self._state.exists():
            return None
        content = self._state.read_bytes()
        expected, body = content[:_DIGEST_BYTES], memoryview(content)[_DIGEST_BYTES:]
        if (found := hashlib.sha256(body).digest()) != expected:
            raise TrainingError(
                "The state of an interrupted run is damaged.",
                where=self._state,
                found=f"{len(content)} bytes with hash {found.hex()[:16]}…",
                expected=f"hash {expected.hex()[:16]}…",
                remedy=f"delete {self.folder} to train this run from its start",
            )
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state.

        Raises:
            TrainingError: the disk is full or not writable; the state before stays whole.
        """
        body = io.BytesIO()
        torch.save(state, body)
        try:
            with new_file(self._state) as temporary, temporary.open("wb") as stream:
                stream.write(hashlib.sha256(body.getbuffer()).digest())
                stream.write(body.getbuffer())
                stream.flush()
                os.fsync(
                    stream.fileno()
                )  # else a power cut could leave neither the old state nor the new one
        except WriteError as error:
            raise TrainingError(
                "The state of the run could not be saved; the one before it is untouched.",
                where=self._state,
                found=error.found,
                expected=f"room for {body.getbuffer().nbytes / 1e6:.1f} MB",
                remedy="free disk space (or set FER_RUNS to a folder that has some), then run "
                "again",
            ) from error

    def remove(self) -> None:
        """Delete the folder: the run's outs are written."""
        shutil.rmtree(self.folder)


@contextmanager
def open_scratch(runs: Path, identity: Mapping[str, Any]) -> Iterator[Scratch]:
    """Hold the scratch folder of a run; waits while another process holds it. In a group of
    processes the first holds it for all.

    Args:
        runs: folder of the scratch folders of all runs of this name.
        identity: everything that defines the run, as JSON values; other identity, other folder.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = runs / digest[:16]
    if not distributed.is_first():
        yield Scratch(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f"{digest[:16]}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.warning("the same run is in progress in another process: waiting for it (%s)", folder)
        lock.acquire()
    try:
        folder.mkdir(exist_ok=True)
        yield Scratch(folder)
    finally:
        lock.release()


def code_hash() -> str:
    """Hash of the first-party modules that this process has imported: other code, other run.

    Those that start stages do not count: a run goes on whoever starts it.
    """
    digest = hashlib.sha256()
    for name in sorted(sys.modules):
        if name.split(".")[:2] == ["fer_core", "pipeline"]:
            continue
        if name.split(".")[0] in ("fer_core", "stages", "__main__") and (
            file := getattr(sys.modules[name], "__file__", None)
        ):
            digest.update(name.encode() + b"\0" + hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()
