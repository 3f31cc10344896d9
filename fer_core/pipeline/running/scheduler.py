"""Stages side by side: each command in a process group of its own, on a device of its own.

What is around a command (did the stage change, is its result in the cache, what is recorded) is
done by one object, a `Workspace`, in this process and one stage at a time.
"""

import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import NoReturn, Protocol

from tqdm import tqdm

from fer_core.base.errors import BusyError, FerError
from fer_core.base.logs import progress_off
from fer_core.base.signals import caught_signals
from fer_core.pipeline.checkout.workspace import Command
from fer_core.pipeline.running.machine import ALONE, Machine, stage_environment, stage_threads
from fer_core.pipeline.running.nursery import Nurseries
from fer_core.pipeline.running.plan import Plan

__all__ = ["Executor", "Stages", "Started", "run_plan"]

log = logging.getLogger(__name__)

_LONGEST = 5
_PATIENCE = 1.0  # seconds until a stage whose files are in use is tried again


class Stages(Protocol):
    """What is around a stage's command; a `Workspace`."""

    def begin(self, name: str) -> Command | str:
        """What is to be run, or a sentence why nothing is; BusyError where another process holds
        its files.
        """

    def finish(self, name: str) -> None:
        """Record what the command has made."""

    def abandon(self, name: str) -> None:
        """The command failed."""


class Started(Protocol):
    """A stage that was started: a `Process` of this machine, or one elsewhere."""

    cpu: float
    peak: int
    started: float

    @property
    def stdout(self) -> AbstractContextManager[Iterable[str]]:
        """What it prints; ends when the stage has ended."""

    def wait(self) -> int:
        """The status, negative after a signal."""

    def signal(self, number: int) -> None:
        """Pass a signal on to it."""


class Executor(Protocol):
    """What starts stages: `Nurseries` on this machine, or a cluster."""

    def start(self, command: Command, environment: Mapping[str, str], heavy: bool) -> Started:
        """Start a stage.

        Args:
            command: of the stage.
            environment: all variables that it gets.
            heavy: whether its code uses torch.
        """

    def close(self) -> None:
        """No stage is started after this."""


_Event = tuple[str | None, str | None]
"""A stage and a line of its output, or None at its end; no stage where a signal has come."""


@dataclass
class _Running:
    stage: str
    process: Started
    device: str | None


def run_plan(
    plan: Plan,
    machine: Machine,
    wants_device: Callable[[str], bool],
    stages: Stages,
    remember: Callable[[dict[str, tuple[float, float]]], None] = lambda _: None,
    executor: Executor | None = None,
) -> int:
    """Run every stage of the plan as soon as all it needs has ended.

    After a failure nothing more is started, and what runs is left to end. SIGINT, SIGTERM and
    SIGHUP are passed on to all stages; a record that is being written is finished first.

    A stage's threads and memory follow from the graph alone, from how many stages may run beside
    it, and never from which happen to: on the CPU the number of threads decides in which order
    numbers are added up, and so the last bits of a result.

    Args:
        plan: stages and their needs.
        machine: what may be used.
        wants_device: whether a stage is to have a device of its own.
        stages: what is around their commands.
        remember: is told the seconds and the peak bytes of each stage that ended well.
        executor: starts the stages; None takes processes of this machine.

    Returns:
        0, or the exit status of the first stage that failed (128 + n after signal n).
    """
    events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
    stopped: list[int] = []
    began = time.monotonic()

    def note(number: int) -> None:
        # passed on by the loop that starts stages, so that none slips in between
        stopped.append(number)
        events.put((None, None))

    shares = {stage: stage_threads(machine, plan.beside[stage], stage) for stage in plan.needs}
    starter = executor or Nurseries((shares[stage], wants_device(stage)) for stage in plan.needs)
    with (
        closing(starter),
        caught_signals(note),
        tqdm(total=len(plan.needs), desc="stages", leave=False, disable=progress_off()) as bar,
    ):
        run = _Run(plan, machine, wants_device, stages, starter, events, bar)
        while run.running or (run.waiting and not run.failed and not stopped):
            while not run.failed and not stopped:
                before = len(run.done)
                for ready, device in run.startable():
                    run.start(ready, device)
                if len(run.done) == before:
                    break  # what needed no run may have made others ready
            bar.set_postfix_str(", ".join(sorted(run.running)))
            if not run.running and not run.busy:
                break
            try:
                stage, line = events.get(timeout=_PATIENCE if run.busy else None)
            except queue.Empty:
                continue
            if stage is None:
                run.pass_on(stopped[-1])
            elif line is not None:
                _show(stage, line, many=machine.jobs > 1)
            else:
                run.end(stage)
    if run.times:
        _tell(_times(run.times, time.monotonic() - began))
        remember({stage: (run.times[stage][0], peak) for stage, peak in run.peaks.items()})
    for stage in run.failed:
        log.error("%s", run.failure(stage))
    if (run.failed or stopped) and run.waiting:
        log.error("not run: %s", ", ".join(run.waiting))
    if stopped:
        return 128 + stopped[0]
    return next(iter(run.failed.values()), 0)


class _Run:
    """A plan under way: which stages wait, run, have ended well or failed.

    Args:
        plan, machine, wants_device, stages: of `run_plan`.
        starter: starts the stages.
        events: gets what they print, and their ends.
        bar: counts the stages that have ended.
    """

    def __init__(
        self,
        plan: Plan,
        machine: Machine,
        wants_device: Callable[[str], bool],
        stages: Stages,
        starter: Executor,
        events: "queue.SimpleQueue[_Event]",
        bar: "tqdm[NoReturn]",
    ) -> None:
        self._plan, self._machine, self._wants_device = plan, machine, wants_device
        self._stages, self._starter, self._events, self._bar = stages, starter, events, bar
        best_first = sorted(plan.needs.items(), key=lambda item: (-plan.rank[item[0]], item[0]))
        self.waiting = dict(best_first)
        self.busy: set[str] = set()  # of those that wait: another process holds their files
        self.running: dict[str, _Running] = {}
        self.done: set[str] = set()
        self.failed: dict[str, int] = {}
        self.times: dict[str, tuple[float, float]] = {}
        self.peaks: dict[str, int] = {}

    def startable(self) -> Iterator[tuple[str, str | None]]:
        """Stages that may start now, with their devices, best first."""
        machine, wants_device = self._machine, self._wants_device
        used = {job.device for job in self.running.values()}
        free = [device for device in machine.devices if device not in used]
        places = machine.jobs - len(self.running)
        ready = [stage for stage, needs in self.waiting.items() if needs <= self.done]
        others = [stage for stage in ready if stage.partition("@")[0] not in ALONE]
        if any(stage.partition("@")[0] in ALONE for stage in self.running):
            return
        for stage in others:
            if places == 0:
                return
            device = free[0] if free and wants_device(stage) else None
            if device is None and machine.devices and wants_device(stage):
                continue
            free = [name for name in free if name != device]
            places -= 1
            yield stage, device
        if not self.running and not others and ready:
            yield ready[0], machine.devices[0] if machine.devices else None

    def start(self, stage: str, device: str | None) -> None:
        """Start a stage's command, unless it needs none, its files are in use, or it is faulty."""
        try:
            command = self._stages.begin(stage)
        except BusyError as error:
            if stage not in self.busy:
                log.warning("stage %s waits: %s", stage, error)
            self.busy.add(stage)
            return
        except FerError as error:
            log.error("%s", error)
            self.failed[stage] = 1
            return
        del self.waiting[stage]
        self.busy.discard(stage)
        if isinstance(command, str):
            _tell(command)
            self.done.add(stage)
            self._bar.update()
            return
        _tell(f"Running stage '{stage}'")
        own = stage_environment(device, self._machine, self._plan.beside[stage], stage)
        environment = command.environment | own
        process = self._starter.start(command, environment, self._wants_device(stage))
        _listen(stage, process, self._events)
        self.running[stage] = _Running(stage, process, device)

    def end(self, stage: str) -> None:
        """Record what the command of a stage has made, or that it failed."""
        process = self.running.pop(stage).process
        status = process.wait()
        self.times[stage] = (time.monotonic() - process.started, process.cpu)
        self._bar.update()
        if status:
            self._stages.abandon(stage)
            self.failed[stage] = 128 - status if status < 0 else status
            if self.running:  # their end may be hours away
                left = ", ".join(sorted(self.running))
                log.error("%s; left to end: %s", self.failure(stage), left)
            return
        try:
            self._stages.finish(stage)
        except FerError as error:
            log.error("%s", error)
            self.failed[stage] = 1
        else:
            self.done.add(stage)
            self.peaks[stage] = process.peak

    def failure(self, stage: str) -> str:
        """A sentence: a stage failed, with which status, and by which signal if one ended it."""
        status = self.failed[stage]
        ended_by = {128 + number: f" ({number.name})" for number in signal.Signals}
        return f"stage {stage} failed with status {status}{ended_by.get(status, '')}"

    def pass_on(self, number: int) -> None:
        """Send a signal to every stage's process group."""
        for job in self.running.values():
            job.process.signal(number)


def _listen(stage: str, process: Started, events: "queue.SimpleQueue[_Event]") -> None:
    """Turn what a stage prints, and its end, into events."""

    def listen() -> None:
        try:
            with process.stdout as lines:
                for line in lines:
                    events.put((stage, line))
        finally:
            events.put((stage, None))

    threading.Thread(target=listen, daemon=True).start()


def _show(stage: str, line: str, many: bool) -> None:
    line = line.rstrip()
    if line:
        _tell(f"{stage}: {line}" if many else line)


def _tell(text: str) -> None:
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def _times(times: Mapping[str, tuple[float, float]], whole: float) -> str:
    """Where the time of a run went, in a sentence."""
    longest = sorted(times, key=lambda stage: -times[stage][0])[:_LONGEST]
    each = ", ".join(f"{stage} {times[stage][0]:.0f} s" for stage in longest)
    cpu = sum(used for _, used in times.values())
    return f"{len(times)} stages ran in {whole:.0f} s ({cpu:.0f} s of processor); longest: {each}"
