"""The worker: runs one stage in a checkout of its own.

    python -m fer_core.workers.worker ORDER.json

Whatever starts it (a process of this machine, Ray or Slurm), it does the same: unpacks the
snapshot, fetches the stage's deps by hash, runs the command, stores what it made, and writes its
answer. It never writes `dvc.lock`; the coordinator does. What the command prints is passed on. It
ends with status 0 if there is an answer, whatever that says.
"""

import getpass
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from fer_core.base.errors import FerError, MachineError
from fer_core.base.processes import RUN_PROCESS, own_path
from fer_core.base.signals import caught_signals
from fer_core.pipeline.checkout.workspace import Command, link_outs
from fer_core.pipeline.running.machine import visible_gpus
from fer_core.pipeline.running.nursery import start_process
from fer_core.workers.order import Order, Result, check_versions, explained
from fer_core.workers.store import LostError, Store

__all__ = ["main", "unblock_signals", "work"]

_PATIENCE = 0.5  # seconds
_DEVICES = ("/proc/driver/nvidia/gpus", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""One of these is there where a GPU is, whatever CUDA_VISIBLE_DEVICES promises."""


def unblock_signals() -> None:
    """Let the signals that stop a worker through: Ray's processes block SIGINT. Windows has neither
    SIGHUP nor a mask of signals.
    """
    if hasattr(signal, "pthread_sigmask"):
        asked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)


def main() -> None:
    """Carry out the order in the file that is the only argument."""
    order = Order.read(Path(sys.argv[1]))
    stopped: list[int] = []
    node = platform.node()
    unblock_signals()
    with caught_signals(stopped.append):
        try:
            result = work(order, stopped)
        except FerError as error:
            lost = isinstance(error, LostError)
            result = Result(1, node, error=explained(error, order.stage, node), lost=lost)
        except OSError as error:
            problem = MachineError(
                "The node cannot hold what a stage needs.",
                where=order.node_folder or tempfile.gettempdir(),
                found=error,
                remedy="free its disk, or let `node_folder` in fer.local.toml name another one",
            )
            result = Result(1, node, error=explained(problem, order.stage, node))
        result.write(Path(order.result))


def work(order: Order, stopped: list[int]) -> Result:
    """Run the stage.

    Args:
        order: what to do.
        stopped: numbers of the signals that have come; the command gets them.

    Raises:
        FerError: this machine is not as it must be, or the store fails.
    """
    node = platform.node()
    check_versions(order.versions, f"node {node}")
    gpus = visible_gpus() if any(Path(device).exists() for device in _DEVICES) else 0
    if gpus < order.wants.gpus:
        raise MachineError(
            "The node does not have the GPUs that it promised.",
            where=f"node {node}",
            found=gpus,
            expected=order.wants.gpus,
            remedy="correct what the engine believes of the node (`--num-gpus` of `ray start`, "
            "Gres in slurm.conf and gres.conf), or set `gpus = 0`",
        )
    base = _node_folder(order.node_folder)
    place = Path(tempfile.mkdtemp(prefix=re.sub(r"[^\w.-]", "-", f"{order.stage}-"), dir=base))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        return _work_in(place, base, order, stopped)


def _node_folder(told: str) -> Path:
    base = Path(told) if told else Path(tempfile.gettempdir()) / f"fer-{getpass.getuser()}"
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    return base


def _work_in(place: Path, base: Path, order: Order, stopped: list[int]) -> Result:
    from dvc.repo import Repo

    with tarfile.open(order.snapshot) as archive:
        archive.extractall(place, filter="tar")
    if (place / ".git").is_dir():
        _index_git(place)
    _configure(place, base, order)
    repo = Repo(str(place))
    link_outs(repo)
    store = Store(repo, "store" if order.remote else "")
    inside = [item for item in order.deps if item.hash]
    store.fetch(inside)
    store.place(inside)
    if absent := [item.path for item in order.deps if not (place / item.path).exists()]:
        raise MachineError(
            "The node does not see a file outside the project that a stage reads.",
            where=f"node {platform.node()}",
            found=", ".join(absent),
            remedy="put it on a disk that all nodes see at the same place",
        )
    for path in order.outs:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
    if stopped:
        return Result(-stopped[0], platform.node())
    result = _run(place, order, stopped)
    if result.status == 0:
        result.outs = [store.add(path) for path in order.outs if (place / path).exists()]
        store.send(result.outs)
    return result


def _index_git(place: Path) -> None:
    """Let git compare the files with the last commit, as in the coordinator's checkout."""
    subprocess.run(["git", "reset", "--quiet"], cwd=place, check=False, capture_output=True)


def _configure(place: Path, base: Path, order: Order) -> None:
    lines = ["[core]", "analytics = false", "check_update = false", "no_scm = true"]
    lines += [f"site_cache_dir = {place / '.dvc' / 'site'}"]
    lines += ["[cache]", f"dir = {order.cache or base / 'cache'}"]
    if order.remote:
        lines += ["['remote \"store\"']"]
        lines += [f"{key} = {value}" for key, value in order.remote.items()]
    (place / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    (place / ".dvc" / "config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(place: Path, order: Order, stopped: list[int]) -> Result:
    """Run the command, and pass on what it prints and the signals that come."""
    from dvc.stage.run import _make_cmd, get_executable

    own = {"PATH": own_path(), "DVC_ROOT": str(place), RUN_PROCESS: str(os.getpid())}
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folder = place / order.folder
    folder.mkdir(parents=True, exist_ok=True)
    command = Command(
        order.text, _make_cmd(get_executable(), order.text), str(folder), ours | order.environment
    )
    process = start_process(command, command.environment | own)
    parent, ended = os.getppid(), threading.Event()

    def watch() -> None:
        passed = 0
        while not ended.wait(_PATIENCE):
            if os.getppid() != parent and not stopped:  # who started us is gone
                stopped.append(signal.SIGTERM)
            for number in stopped[passed:]:
                process.signal(number)
            passed = len(stopped)

    threading.Thread(target=watch, daemon=True).start()
    with process.stdout as lines:
        for line in lines:
            sys.stdout.write(line)
            sys.stdout.flush()
    status = process.wait()
    ended.set()
    return Result(status, platform.node(), cpu=process.cpu, peak=process.peak)


if __name__ == "__main__":
    main()
