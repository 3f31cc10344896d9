"""Scratch folder of a training run, named by the hash of everything that defines the run.

`runs/<stage>/<key>/<hash>/` lies outside DVC's outs, under `$DVC_ROOT`. Interrupted and started again, a run finds its own
state; changed inputs give another hash, so a stale state cannot be picked up. A lock that the kernel releases with the process
makes a second run of the same hash wait. The folder is removed when the run's outs are written.
"""

import fcntl
import hashlib
import json
import logging
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fer_core.errors import TrainingError
from fer_core.files import new_file

__all__ = ["Scratch", "code_hash", "open_scratch"]

log = logging.getLogger(__name__)


class Scratch:
    """State of a run on disk: at most one file, replaced in one step."""

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
        try:
            state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, UnpicklingError, zipfile.BadZipFile, ValueError) as error:
            raise TrainingError(
                "The state of an interrupted run is damaged.",
                where=self._state,
                found=error,
                remedy=f"delete {self.folder} to start afresh",
            ) from error
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state.

        Raises:
            TrainingError: the disk is full or not writable; the state before stays whole.
        """
        try:
            with new_file(self._state) as temporary:
                torch.save(state, temporary)
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                "The state of the run could not be saved.", where=self._state, found=error, remedy="free disk space, then run again"
            ) from error

    def remove(self) -> None:
        """Delete the folder: the run's outs are written."""
        shutil.rmtree(self.folder)


@contextmanager
def open_scratch(runs: Path, stage: str, key: str, identity: Mapping[str, Any]) -> Iterator[Scratch]:
    """Hold the scratch folder of a run; waits while another process holds it.

    Args:
        runs: folder of all scratch folders.
        stage: name of the stage.
        key: name of the run within the stage.
        identity: everything that defines the run, as JSON values; other identity, other folder.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = runs / stage / key / digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{digest[:16]}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("the same run is in progress in another process: waiting for it (%s)", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        folder.mkdir(exist_ok=True)
        yield Scratch(folder)


def code_hash() -> str:
    """Hash of the first-party modules that this process has imported: other code, other run."""
    digest = hashlib.sha256()
    for name in sorted(sys.modules):
        if name.split(".")[0] in ("fer_core", "stages", "__main__") and (file := getattr(sys.modules[name], "__file__", None)):
            digest.update(name.encode() + b"\0" + hashlib.sha256(Path(file).read_bytes()).digest())
    return digest.hexdigest()
