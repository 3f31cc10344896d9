"""Trials of a tuning file through `fer run`, so that they can run in a cluster: each in a git
worktree of its own, on the checkout's cache, and kept as the DVC experiment of its name.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dvc.config import Config
from filelock import FileLock, Timeout
from tqdm import tqdm

from fer_core.base.errors import BusyError
from fer_core.base.files import write_text
from fer_core.base.git import copy_project, git
from fer_core.base.logs import progress_off
from fer_core.base.params import PARAMS_FILE
from fer_core.base.settings import load_settings
from fer_core.base.signals import caught_signals, signal_group
from fer_core.pipeline.checkout.cache import cache_settings
from fer_core.pipeline.tuning.trials import Trial, applied

__all__ = ["run_trials"]

_PLACE = Path(".dvc/tmp/trials")
_LOCK = Path(".dvc/tmp/trials.lock")
_FER = [sys.executable, "-P", "-c", "from fer_cli.main import main; main()"]
_PAUSE = 0.2  # seconds between two looks at what runs


@dataclass
class _Running:
    trial: Trial
    folder: Path
    process: subprocess.Popen[bytes]
    log: IO[bytes]


def run_trials(
    trials: Sequence[Trial], arguments: Sequence[str], jobs: int, tell: Callable[[str], object]
) -> int:
    """Run trials, and keep each that ends well as a DVC experiment.

    A trial that fails stops no other. After SIGINT, SIGTERM or SIGHUP, which all get, nothing more
    is started.

    Args:
        trials: to be run.
        arguments: of each `fer run`, such as `--on ray`.
        jobs: trials at a time.
        tell: is told a sentence for each that ended.

    Returns:
        0, the status of the first trial that failed, or 128 + n after signal n.

    Raises:
        BusyError: another command runs trials in this checkout.
        MachineError: git does not answer.
    """
    root = Path().absolute()
    with _alone(root):
        return _run_trials(root, trials, arguments, jobs, tell)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Context of the only command that runs trials in this checkout: a trial's folder has its
    name.
    """
    lock = FileLock(root / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(
            "Another `fer tune queue --on` runs trials in this checkout.",
            where=root,
            remedy="wait until it has ended; after Ctrl-C its trials still end their epochs",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _run_trials(
    root: Path,
    trials: Sequence[Trial],
    arguments: Sequence[str],
    jobs: int,
    tell: Callable[[str], object],
) -> int:
    waiting, running = list(trials), list[_Running]()
    failed, stopped = list[int](), list[int]()

    def note(number: int) -> None:
        stopped.append(number)
        for one in running:
            signal_group(one.process, number)

    git(root, "worktree", "prune")
    with (
        caught_signals(note),
        tqdm(total=len(waiting), desc="trials", leave=False, disable=progress_off()) as bar,
    ):
        while running or (waiting and not stopped):
            while waiting and not stopped and len(running) < jobs:
                running.append(_start(root, waiting.pop(0), arguments))
            for one in list(running):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = one.process.wait(_PAUSE / len(running))
                    running.remove(one)
                    bar.update()
                    if status := _end(root, one, status, tell):
                        failed.append(status)
    return 128 + stopped[0] if stopped else next(iter(failed), 0)


def _start(root: Path, trial: Trial, arguments: Sequence[str]) -> _Running:
    """Lay out a worktree with the files as they are now and the trial's params, and run it."""
    folder = root / _PLACE / trial.name
    _remove(root, folder)
    git(root, "worktree", "add", "--quiet", "--detach", str(folder), "HEAD")
    copy_project(root, folder)
    _share_cache(root, folder)
    params = (folder / PARAMS_FILE).read_text(encoding="utf-8")
    write_text(folder / PARAMS_FILE, applied(params, {trial.method: trial}, {}))
    environment = os.environ | {
        "DVC_ROOT": str(root),  # where settings and their folders are
        "FER_RUNS": str(load_settings().runs / "trials" / trial.name),
        "PYTHONPATH": str(folder),
    }
    log = folder.with_suffix(".log").open("wb")
    command = [*_FER, "run", *arguments, f"evaluate@{trial.key}"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return _Running(trial, folder, process, log)


def _share_cache(root: Path, folder: Path) -> None:
    """Give the worktree the checkout's own settings of DVC, and its cache."""
    if (local := root / ".dvc" / "config.local").is_file():
        shutil.copyfile(local, folder / ".dvc" / "config.local")
    with Config(str(folder / ".dvc")).edit("local") as own:
        own["cache"]["dir"] = str(cache_settings(root / ".dvc")["dir"].absolute())


def _end(root: Path, one: _Running, status: int, tell: Callable[[str], object]) -> int:
    """Keep the trial where it ended well; its status, or that of DVC."""
    one.log.close()
    log = one.folder.with_suffix(".log")
    if status:
        _remove(root, one.folder)  # a training's state lies in the checkout's runs
        tell(f"{one.trial.name} failed with status {status}: {log.relative_to(root)} says why")
        return 128 - status if status < 0 else status
    dvc = str(Path(sys.executable).parent / "dvc")
    command = [dvc, "exp", "save", "--force", "--name", one.trial.name, f"evaluate@{one.trial.key}"]
    done = subprocess.run(command, cwd=one.folder, capture_output=True, text=True, check=False)
    if done.returncode:
        tell(f"{one.trial.name} ended, but DVC cannot keep it: {done.stderr.strip()}")
        return done.returncode
    _remove(root, one.folder)
    log.unlink()
    tell(f"{one.trial.name} ended: {one.trial.key} with {one.trial.words}")
    return 0


def _remove(root: Path, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
        git(root, "worktree", "prune")
