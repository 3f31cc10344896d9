"""Stages side by side: each command in a process group of its own, on a device of its own.

What is around a command (did the stage change, is its result in the cache, what is recorded) is
done by one object, a `Workspace`, in this process and one stage at a time.
"""

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Protocol

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
    waiting = dict(sorted(plan.needs.items(), key=lambda item: (-plan.rank[item[0]], item[0])))
    done: set[str] = set()
    busy: set[str] = set()
    running: dict[str, _Running] = {}
    events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
    failed: dict[str, int] = {}
    stopped: list[int] = []
    times: dict[str, tuple[float, float]] = {}
    peaks: dict[str, int] = {}
    began = time.monotonic()

    def note(number: int) -> None:
        # passed on by the loop that starts stages, so that none slips in between
        stopped.append(number)
        events.put((None, None))

    def start(stage: str, device: str | None) -> None:
        try:
            command = stages.begin(stage)
        except BusyError as error:
            if stage not in busy:
                log.warning("stage %s waits: %s", stage, error)
            busy.add(stage)
            return
        except FerError as error:
            log.error("%s", error)
            failed[stage] = 1
            return
        del waiting[stage]
        busy.discard(stage)
        if isinstance(command, str):
            _tell(command)
            done.add(stage)
            bar.update()
            return
        _tell(f"Running stage '{stage}'")
        own = stage_environment(device, machine, plan.beside[stage], stage)
        process = starter.start(command, command.environment | own, wants_device(stage))
        _listen(stage, process, events)
        running[stage] = _Running(stage, process, device)

    def end(stage: str) -> None:
        process = running.pop(stage).process
        status = process.wait()
        times[stage] = (time.monotonic() - process.started, process.cpu)
        bar.update()
        if status:
            stages.abandon(stage)
            failed[stage] = 128 - status if status < 0 else status
            return
        try:
            stages.finish(stage)
        except FerError as error:
            log.error("%s", error)
            failed[stage] = 1
        else:
            done.add(stage)
            peaks[stage] = process.peak

    shares = {stage: stage_threads(machine, plan.beside[stage], stage) for stage in plan.needs}
    starter = executor or Nurseries((shares[stage], wants_device(stage)) for stage in plan.needs)
    with (
        closing(starter),
        caught_signals(note),
        tqdm(total=len(waiting), desc="stages", leave=False, disable=progress_off()) as bar,
    ):
        while running or (waiting and not failed and not stopped):
            while not failed and not stopped:
                before = len(done)
                for ready, device in _startable(waiting, done, running, machine, wants_device):
                    start(ready, device)
                if len(done) == before:
                    break  # what needed no run may have made others ready
            bar.set_postfix_str(", ".join(sorted(running)))
            if not running and not busy:
                break
            try:
                stage, line = events.get(timeout=_PATIENCE if busy else None)
            except queue.Empty:
                continue
            if stage is None:
                _pass_on(stopped[-1], running)
            elif line is not None:
                _show(stage, line, many=machine.jobs > 1)
            else:
                end(stage)
    if times:
        _tell(_times(times, time.monotonic() - began))
        remember({stage: (times[stage][0], peak) for stage, peak in peaks.items()})
    for stage, status in failed.items():
        log.error("stage %s failed with status %d", stage, status)
    if (failed or stopped) and waiting:
        log.error("not run: %s", ", ".join(waiting))
    if stopped:
        return 128 + stopped[0]
    return next(iter(failed.values()), 0)


def _startable(
    waiting: dict[str, set[str]],
    done: set[str],
    running: dict[str, _Running],
    machine: Machine,
    wants_device: Callable[[str], bool],
) -> Iterator[tuple[str, str | None]]:
    """Stages that may start now, with their devices, best first."""
    free = [
        device
        for device in machine.devices
        if device not in {job.device for job in running.values()}
    ]
    places = machine.jobs - len(running)
    ready = [stage for stage, needs in waiting.items() if needs <= done]
    others = [stage for stage in ready if stage.partition("@")[0] not in ALONE]
    if any(stage.partition("@")[0] in ALONE for stage in running):
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
    if not running and not others and ready:
        yield ready[0], machine.devices[0] if machine.devices else None


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


def _pass_on(number: int, running: dict[str, _Running]) -> None:
    """Send a signal to every stage's process group."""
    for job in running.values():
        job.process.signal(number)
