"""Stages of `fer run` on other machines.

The coordinator alone writes `dvc.lock`: it sends what a stage reads to the store, has an engine
start a worker, and puts what the worker made into its own checkout, where it is recorded as if the
stage had run there.
"""

import itertools
import logging
import os
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.base.errors import FerError, MachineError
from fer_core.base.processes import RUN_PROCESS
from fer_core.base.settings import Settings
from fer_core.pipeline.checkout.workspace import Command, Workspace
from fer_core.workers.order import Engine, Item, Job, NodeLost, Order, Result, Wants, versions
from fer_core.workers.snapshot import Snapshot, Snapshots
from fer_core.workers.store import Store, remote_settings

if TYPE_CHECKING:
    from dvc.output import Output

__all__ = ["Workers", "open_workers"]

log = logging.getLogger(__name__)

Lines = Generator[str, None, None]

_ATTEMPTS = 4
_ORDERS = "orders"
_TRAVELS = ("raw", "runs", "weights", "compile", "memory_gb")
"""Settings of the coordinator that its workers get."""
_STAYS = (RUN_PROCESS, "FER_ON")
"""Facts of this process; a worker has its own."""
_SIGKILL = 9  # Windows has no name for it
_KILLED = (-_SIGKILL, 128 + _SIGKILL)
"""Bash becomes its last command, other shells wait for it and tell of its end."""


@dataclass
class _Remote:
    """A stage that runs elsewhere; as `Process`.

    Attributes:
        store: where its worker puts what it makes.
        copies: outs that must be files of their own, and no links.
        stdout: what it prints; reading it does all the work.
        result: the worker's answer; None where there is none, or no good one.
        job: the last that was submitted.
        stopped: signals that have come.
        cpu, peak: as the worker measured them.
    """

    store: Store
    copies: list[str]
    stdout: closing[Lines] = field(init=False)
    result: Result | None = None
    job: Job | None = None
    stopped: list[int] = field(default_factory=list)
    cpu: float = 0.0
    peak: int = 0
    started: float = field(default_factory=time.monotonic)

    def wait(self) -> int:
        """Put what the stage made into the checkout, and tell its status."""
        if (result := self.result) is None:
            return -self.stopped[0] if self.stopped else 1
        self.cpu, self.peak = result.cpu, result.peak
        try:
            if result.status == 0:
                self.store.place(result.outs, self.copies)
        except FerError as error:
            log.error("%s", error)
            return 1
        return result.status

    def signal(self, number: int) -> None:
        """Ask the worker to stop; nothing is started again after it."""
        self.stopped.append(number)
        if self.job is not None:
            self.job.signal(number)


class Workers:
    """An executor (see `scheduler.Executor`) whose stages run where an engine starts them.

    Args:
        workspace: the checkout.
        engine: starts workers.
        settings: of the machine; `store`, `gpus` and what a job may take come from here.
    """

    def __init__(self, workspace: Workspace, engine: Engine, settings: Settings) -> None:
        self._workspace, self._engine, self._settings = workspace, engine, settings
        repo = workspace.repo
        self._root = Path(repo.root_dir)
        self._store = Store(repo, settings.store)
        self._remote = remote_settings(repo, settings.store) if settings.store else {}
        self._folder = Path(repo.tmp_dir) / _ORDERS
        made = [self._relative(out.fs_path) for out in repo.index.outs]
        self._snapshots = Snapshots(self._root, [path for path in made if path], self._folder)
        self._versions = versions()
        self._numbers = itertools.count()

    def start(self, command: Command, environment: Mapping[str, str], heavy: bool) -> _Remote:
        """Prepare a stage; it is sent off when its output is read."""
        deps, outs = self._workspace.files(command.stage)
        paths = {str(self._relative(out.fs_path)): out for out in outs}
        order = self._order(command, environment, heavy, list(paths))
        copies = [path for path, out in paths.items() if not out.use_cache]
        remote = _Remote(self._store, copies)
        remote.stdout = closing(self._work(order, deps, remote))
        return remote

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _order(
        self, command: Command, environment: Mapping[str, str], heavy: bool, outs: list[str]
    ) -> Order:
        settings = self._settings
        wants = Wants(
            int(environment["FER_THREADS"]),
            settings.gpus if heavy else 0,
            settings.job_memory_gb,
            settings.job_hours,
        )
        travels = {
            f"FER_{name.upper()}": str(getattr(settings, name))
            for name in _TRAVELS
            if getattr(settings, name) is not None
        }
        own = {
            name: value
            for name, value in environment.items()
            if name in ("OMP_NUM_THREADS", "DVC_STAGE")
            or (name.startswith("FER_") and name not in _STAYS)
        }
        gpus = (
            {"FER_DEVICE": "cuda", "FER_PROCESSES": str(wants.gpus)}
            if wants.gpus
            else {"FER_DEVICE": "cpu", "FER_PROCESSES": "1"}
        )
        return Order(
            stage=command.stage,
            text=command.text,
            folder=os.path.relpath(command.folder, self._root),
            environment=own | travels | gpus,
            outs=outs,
            cache="" if self._settings.store else str(self._workspace.repo.cache.local_cache_dir),
            remote=self._remote,
            node_folder=self._settings.node_folder,
            versions=self._versions,
            wants=wants,
        )

    def _work(self, order: Order, deps: list["Output"], remote: _Remote) -> Lines:
        """What a stage prints; retries it where a node was lost."""
        sent_again = False
        try:
            snapshot = self._snapshots.take()  # after the deps were hashed: never older than they
            items = [item for dep in deps if (item := self._item(dep, snapshot)) is not None]
            inside = [item for item in items if item.hash]
            order = replace(order, deps=items, snapshot=str(snapshot.tar), digest=snapshot.digest)
            self._store.send(inside)
            for attempt in range(1, _ATTEMPTS + 1):
                if remote.stopped:
                    return
                try:
                    result = yield from self._once(order, remote)
                except NodeLost as error:
                    if remote.stopped:
                        return
                    if attempt == _ATTEMPTS:
                        raise MachineError(
                            f"A stage lost its node {attempt} times.",
                            where=f"stage {order.stage}",
                            found=error,
                            remedy="look at the nodes; `fer run` goes on from its last epoch",
                        ) from error
                    yield f"the node is lost ({error}); the stage is started again\n"
                    continue
                if result.lost and not sent_again:
                    sent_again = True
                    yield "the store has lost objects; they are sent again\n"
                    self._store.send(inside, again=True)
                    continue
                self._judge(order, remote, result)
                if result.status == 0:
                    self._store.fetch(result.outs)
                elif result.error:
                    yield result.error + "\n"
                remote.result = result
                return
        except FerError as error:
            yield f"{error}\n"

    def _once(self, order: Order, remote: _Remote) -> Generator[str, None, Result]:
        """What one worker prints, and then its answer."""
        file = self._folder / f"{os.getpid()}-{next(self._numbers)}.json"
        order = replace(order, result=str(file.with_suffix(".result")))
        order.write(file)
        try:
            remote.job = job = self._engine.submit(order, file)
            if remote.stopped:  # it came while the job was handed over
                job.signal(remote.stopped[-1])
            yield from job.lines()
            return job.result()
        finally:
            for left in (file, file.with_suffix(".result"), file.with_suffix(".log")):
                left.unlink(missing_ok=True)

    @staticmethod
    def _judge(order: Order, remote: _Remote, result: Result) -> None:
        """Tell what the system has done to a command.

        Raises:
            MachineError: the command was killed.
        """
        if result.status in _KILLED and not remote.stopped:
            raise MachineError(
                "A stage was killed, most often for memory.",
                where=f"stage {order.stage} on node {result.node}",
                found=f"{result.peak / 1e9:.1f} GB of memory at its peak",
                remedy="raise `job_memory_gb` or set `memory_gb` in fer.local.toml; `fer run` "
                "goes on from the last epoch",
            )

    def _item(self, dep: "Output", snapshot: Snapshot) -> Item | None:
        """A dep that must be fetched; None where the snapshot has it all."""
        path = self._relative(dep.fs_path)
        if path is None:
            return Item(dep.fs_path, "")  # outside the project: the node must see it
        if path in snapshot.files:
            return None
        repo: Any = self._workspace.repo
        below = [
            self._relative(file) for file in repo.dvcignore.find(dep.fs, dep.fs_path) if dep.isdir()
        ]
        if below and all(file in snapshot.files for file in below):
            return None
        return self._store.add(path)

    def _relative(self, path: str) -> str | None:
        """A path relative to the root with forward slashes; None where it is outside."""
        full = Path(path)
        return full.relative_to(self._root).as_posix() if full.is_relative_to(self._root) else None


def open_workers(workspace: Workspace, settings: Settings) -> Workers:
    """The executor that the settings name.

    Raises:
        MachineError: the engine is not there, or does not answer.
        ParamsError: its address or partition does not exist.
    """
    from fer_core.workers.processes import Processes
    from fer_core.workers.slurm import Slurm

    engine: Engine
    if settings.on == "slurm":
        engine = Slurm(settings.address, settings.python)
    elif settings.on == "ray":
        from fer_core.workers.ray import Ray

        engine = Ray(settings.address)
    else:
        engine = Processes()
    return Workers(workspace, engine, settings)
