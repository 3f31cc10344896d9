"""This checkout as DVC sees it, opened once for a whole run.

DVC's own objects say what changed, restore results from the run cache, hash, and link; this class
calls them in the order of `dvc repro`, with DVC's lock held only while they work. The commands run
elsewhere, in between. So `dvc status`, `dvc pull` and a plain `dvc repro` find what they would have
made themselves.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.base.errors import ParamsError
from fer_core.pipeline.checkout.lockfile import mend_lock, put_entry
from fer_core.pipeline.checkout.reservations import Reservations, mend_rwlock, only_run

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

__all__ = ["Command", "Workspace", "link_outs", "open_workspace"]

log = logging.getLogger(__name__)

_PATIENCE = 0.5  # seconds
_LEFT = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
"""Name of a temporary file of DVC."""
_UNREADABLE = (
    "correct dvc.yaml, or `git checkout -- dvc.yaml` and then `fer dag sync`; `fer doctor` looks "
    "at the rest"
)
_AGAIN = "run `fer run` again; `fer doctor` looks at cache and disk"


@dataclass(frozen=True)
class Command:
    """What runs a stage.

    Attributes:
        text: the stage's `cmd`.
        arguments: of the process: the shell with the text.
        folder: where it runs.
        environment: what DVC sets for it.
        stage: address of the stage.
    """

    text: str
    arguments: list[str] | str
    folder: str
    environment: dict[str, str]
    stage: str = ""


@contextmanager
def open_workspace(wait: bool = True) -> Iterator["Workspace"]:
    """Open the checkout of the working folder; one run has it at a time.

    Damage to DVC's records that an earlier process left is mended first.

    Args:
        wait: whether to wait for another run.

    Raises:
        ParamsError: DVC cannot read the pipeline.
        BusyError: another run is at work and `wait` is false.
        ArtifactError: `dvc.lock` holds the marks of a merge.
    """
    import dvc.rwlock
    from dvc.dependency import param
    from dvc.repo import Repo

    command = " ".join(sys.argv)
    guard, load = dvc.rwlock.rwlock, param.load_path
    logging.getLogger("dvc").setLevel(logging.WARNING)
    with _told("DVC cannot read this pipeline.", _UNREADABLE):
        root = Path(Repo.find_root())
    tmp = root / ".dvc" / "tmp"
    tmp.mkdir(exist_ok=True)
    with only_run(tmp, command, wait):
        for done in (mend_lock(root), mend_rwlock(tmp)):
            if done:
                log.warning("%s", done)
        try:
            # what this run uses is reserved here, for the whole of a stage
            dvc.rwlock.rwlock = lambda *_: nullcontext()
            param.load_path = _parsed_once(load)
            with _told("DVC cannot read this pipeline.", _UNREADABLE):
                repo = Repo()
                hardlink = repo.config["core"].get("hardlink_lock", False)
                workspace = Workspace(repo, Reservations(tmp, command, hardlink))
            with repo, repo.scm_context(quiet=True):
                yield workspace
        finally:
            dvc.rwlock.rwlock, param.load_path = guard, load


@contextmanager
def _told(problem: str, remedy: str, where: object = None) -> Iterator[None]:
    """Context in which what DVC refuses becomes an error of ours."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        raise ParamsError(problem, where=where or Path.cwd(), found=error, remedy=remedy) from error


def _parsed_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """DVC's reader of parameter files, which parses one again only after it has changed."""
    known: dict[tuple[str, int, int], Any] = {}

    def load_path(path: str, fs: Any, **options: Any) -> Any:
        state = os.stat(path)  # noqa: PTH116 - DVC's paths are strings
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in known:
            known[key] = load(path, fs, **options)
        return known[key]

    return load_path


class Workspace:
    """Stages by address, such as `student@kd-1337`; made by `open_workspace`.

    Attributes:
        forced: stages that run though nothing changed and their result is in the cache.
        repo: DVC's own view of the checkout.
    """

    def __init__(self, repo: "Repo", reservations: Reservations) -> None:
        from dvc.repo.reproduce import get_active_graph, plan_repro

        self.forced: set[str] = set()
        self.repo, self._reservations = repo, reservations
        self._root = Path(repo.root_dir)
        link_outs(repo)
        with self._locked():
            self._remove_left()
            self._graph = repo.index.graph
            order = plan_repro(get_active_graph(self._graph))
        self._stages: dict[str, Any] = {stage.addressing: stage for stage in self._graph}
        # DVC's own order, so that stages side by side, and runs that were interrupted, leave the
        # dvc.lock that one stage after the other leaves
        self._order = {stage.addressing: place for place, stage in enumerate(order)}

    def _remove_left(self) -> None:
        """Remove what a killed DVC has left: files beside outs from trying links, and entries of
        the run cache without content, on which DVC fails.
        """
        for entry in Path(self.repo.stage_cache.cache_dir).glob("*/*"):
            if not any(entry.iterdir()):
                entry.rmdir()
        for folder in {Path(out.fs_path).parent for out in self.repo.index.outs}:
            for file in folder.glob(".*.tmp"):
                if _LEFT.fullmatch(file.name):
                    file.unlink(missing_ok=True)

    def upstream(self) -> dict[str, set[str]]:
        """Stage -> the stages whose outs it reads."""
        return {
            name: {other.addressing for other in self._graph.successors(stage)}
            for name, stage in self._stages.items()
        }

    def files(self, name: str) -> tuple[list["Output"], list["Output"]]:
        """What a stage reads, parameters aside, and what it writes, as DVC's own objects."""
        from dvc.dependency.base import Dependency

        stage = self._stages[name]
        return [dep for dep in stage.deps if type(dep) is Dependency], list(stage.outs)

    def changed(self, names: Collection[str]) -> set[str]:
        """Those of the stages that would run even if no other did."""
        seen: dict[tuple[str, str], Any] = {}
        with self._locked():
            return {name for name in names if self._has_changed(self._stages[name], seen)}

    def begin(self, name: str) -> Command | str:
        """Prepare a stage whose needs have all ended.

        Returns:
            What is to be run, and then `finish`ed or `abandon`ed; or a sentence why the stage
            needs no run: it did not change, or its result was in the cache.

        Raises:
            BusyError: another DVC command uses its files.
        """
        stage, force = self._stages[name], name in self.forced
        with self._locked(), _told("DVC cannot prepare a stage.", _AGAIN, name):
            if not force and not stage.changed():
                return f"Stage '{name}' did not change"
            if stage.cmd is None or stage.frozen or stage.is_import:
                stage.reproduce(force=force)
                stage.dump(update_pipeline=False)
                return f"Stage '{name}' is recorded"
            self._reservations.hold(*_files(stage))
            try:
                return self._prepared(stage, force)
            except BaseException:
                self._reservations.release(*_files(stage))
                raise

    def _prepared(self, stage: "PipelineStage", force: bool) -> Command | str:
        if missing := [str(dep) for dep in stage.deps if not dep.exists]:
            raise ParamsError(
                "A stage reads what is not there; what it made before is untouched.",
                where=stage.addressing,
                found=", ".join(missing),
                remedy="put it there, or correct the path in params.yaml",
            )
        for out in stage.outs:
            if out.persist:
                out.unprotect()
            else:
                out.remove()
        if not force and self._restored(stage):
            self._record(stage)
            self._reservations.release(*_files(stage))
            return f"Stage '{stage.addressing}' is cached: its result was taken from there"
        stage.save_deps()
        return _command(stage)

    def finish(self, name: str) -> None:
        """Record what a stage has made: hashes, run cache, links to the cache, `dvc.lock`.

        Raises:
            ParamsError: an out is missing.
        """
        stage = self._stages[name]
        with self._locked():
            try:
                self._record(stage)
            finally:
                self._reservations.release(*_files(stage))

    def abandon(self, name: str) -> None:
        """Give a stage's files back: its command failed."""
        with self._locked():
            self._reservations.release(*_files(self._stages[name]))

    def _has_changed(self, stage: "PipelineStage", seen: dict[tuple[str, str], Any]) -> bool:
        """As `stage.changed()`; the hash of a file that many stages read is taken once."""
        if stage.changed_stage() or stage.is_callback or stage.always_changed:
            return True
        if not stage.frozen and any(_dep_has_changed(dep, seen) for dep in stage.deps):
            return True
        return any(out.status() for out in stage.outs)

    def _restored(self, stage: "PipelineStage") -> bool:
        """Whether all outs came from the cache, by `dvc.lock` or by DVC's run cache."""
        from dvc.stage.cache import RunCacheNotFoundError

        try:
            self.repo.stage_cache.restore(stage)
        except RunCacheNotFoundError:
            return False
        return all(out.exists for out in stage.outs)

    def _record(self, stage: "PipelineStage") -> None:
        from dvc.stage.serialize import to_single_stage_lockfile

        name = stage.addressing
        with _told("What a stage has made cannot be recorded.", _AGAIN, name):
            # deps are those from before the run: a file that was edited meanwhile was not used
            stage.save_outs()
            if all(out.use_cache or out.metric or out.plot for out in stage.outs):
                self.repo.stage_cache.save(stage)
            for out in stage.outs:
                out.commit()
        later = {other for other, place in self._order.items() if place > self._order[name]}
        put_entry(self._root, name, to_single_stage_lockfile(stage), later)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Context that holds DVC's lock; other commands hold it for moments."""
        from dvc.lock import LockError

        told = False
        while True:
            try:
                self.repo.lock.lock()
                break
            except LockError:
                if not told:
                    log.info("another DVC command holds the lock; waiting for it")
                    told = True
                time.sleep(_PATIENCE)
        try:
            yield
        finally:
            self.repo.lock.unlock()


def link_outs(repo: "Repo") -> None:
    """Let DVC use the best kind of link that the file system can make, and no other.

    With several kinds to choose from DVC takes every copy in a folder for a link that was wanted,
    and leaves it: all would be stored twice.
    """
    from dvc_objects.fs.generic import test_links

    cache = repo.cache.local
    cache.makedirs(cache.path)
    beside = repo.fs.join(repo.tmp_dir, "link")
    cache.cache_types = test_links(cache.cache_types, cache.fs, cache.path, repo.fs, beside)[:1]


def _dep_has_changed(dep: "Output", seen: dict[tuple[str, str], Any]) -> bool:
    from dvc.dependency.base import Dependency

    if type(dep) is not Dependency:  # params, and files of other repositories
        return bool(dep.status())
    key = (dep.hash_name, dep.fs_path)
    if key not in seen:
        seen[key] = dep.get_hash() if dep.exists else None
    return not dep.hash_info or seen[key] != dep.hash_info


def _files(stage: "PipelineStage") -> tuple[list[str], list[str]]:
    """What a stage reads and what it writes."""
    return (
        list(dict.fromkeys(dep.fs_path for dep in stage.deps)),
        [out.fs_path for out in stage.outs],
    )


def _command(stage: "PipelineStage") -> Command:
    from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs

    lines = stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()
    text = " && ".join(lines)
    told, name = prepare_kwargs(stage), stage.addressing
    return Command(text, _make_cmd(get_executable(), text), told["cwd"], dict(told["env"]), name)
