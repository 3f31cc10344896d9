"""Workers as Slurm jobs, by Slurm's own commands: sbatch, squeue, sinfo and scancel.

The project's folder must be on a disk that the nodes see at the same place. Slurm's accounting is
not needed.
"""

import getpass
import logging
import math
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_core.base.errors import MachineError, ParamsError
from fer_core.workers.order import NodeLost, Order, Result
from fer_core.workers.processes import worker_command

__all__ = ["Slurm"]

log = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds between questions to Slurm, and between looks at a log
_GRACE = 10.0  # seconds until a file that a node has written is seen here
_LONG = 60.0  # seconds after its answer in which a job ends
_UNDER_WAY = frozenset(
    ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "REQUEUED")
    + ("RESIZING", "SIGNALING", "STAGE_OUT", "REQUEUE_HOLD", "SPECIAL_EXIT")
)
_REASONS = {
    "OUT_OF_MEMORY": (
        "Slurm ended a stage: it took more memory than it had asked for.",
        "raise `job_memory_gb` in fer.local.toml, or set `memory_gb` for decoded images",
    ),
    "TIMEOUT": (
        "Slurm ended a stage: its time was up.",
        "raise `job_hours` in fer.local.toml, or take a partition with a longer limit",
    ),
    "CANCELLED": ("A stage's job was cancelled.", "ask who has cancelled it"),
}
_REASONS["DEADLINE"] = _REASONS["TIMEOUT"]
_HOPELESS = frozenset(
    ("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")
    + ("InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed")
)
_ASK = (
    "ask for what a node has: `gpus`, `threads`, `job_memory_gb` and `job_hours` in "
    "fer.local.toml; `sinfo` shows the nodes"
)
_ON = "; `fer run` goes on from the last epoch"


@dataclass(frozen=True)
class _State:
    name: str = "UNKNOWN"
    reason: str = ""
    nodes: str = ""


class Slurm:
    """See the module.

    Args:
        partition: "" takes Slurm's default.
        python: of the nodes; "" takes this one.

    Attributes:
        silent: whether Slurm has not answered the last question.

    Raises:
        MachineError: Slurm's commands are not here, or its controller does not answer.
        ParamsError: there is no such partition.
    """

    def __init__(self, partition: str = "", python: str = "") -> None:
        self._partition, self._python = partition, python or sys.executable
        self._states: dict[str, _State] = {}
        self._asked, self._lock = 0.0, threading.Lock()
        self._jobs: list[str] = []
        self.silent = False
        known = self._ask("sinfo", "--noheader", "--format=%R").split()
        if partition and partition not in known:
            raise ParamsError(
                "Slurm has no such partition.",
                where="--partition, FER_ADDRESS or fer.local.toml: address",
                found=partition,
                expected=", ".join(sorted(set(known))),
                remedy="name one of these",
            )

    def submit(self, order: Order, file: Path) -> "_Job":
        """Hand a job over.

        Raises:
            MachineError: Slurm refuses it, for instance because no node has so many GPUs.
        """
        wants = order.wants
        output = file.with_suffix(".log")
        output.touch()
        options = [
            f"--job-name=fer-{order.stage}",
            f"--cpus-per-task={wants.cpus}",
            f"--chdir={Path(order.snapshot).with_suffix('')}",
            f"--output={str(output).replace('%', '%%')}",
            *("--parsable", "--ntasks=1", "--nodes=1", "--no-requeue", "--open-mode=append"),
        ]
        options += [f"--partition={self._partition}"] if self._partition else []
        options += [f"--gpus={wants.gpus}"] if wants.gpus else []
        options += [f"--mem={math.ceil(wants.memory_gb * 1e9 / 2**20)}M"] if wants.memory_gb else []
        options += [f"--time={math.ceil(wants.hours * 60)}"] if wants.hours else []
        command = shlex.join(worker_command(self._python, file))
        script = f"#!/bin/sh\nexec env PYTHONUNBUFFERED=1 {command}\n"
        number = self._ask("sbatch", *options, stdin=script, stage=order.stage)
        number = number.strip().partition(";")[0]
        with self._lock:
            self._jobs.append(number)
        return _Job(self, number, order, output)

    def close(self) -> None:
        """There is nothing to let go of: jobs that were stopped end by themselves."""

    def state(self, number: str) -> _State:
        """Of a job; all are asked for together, once a second at most."""
        with self._lock:
            if time.monotonic() > self._asked + _PATIENCE:
                self._look()
                self._asked = time.monotonic()
            return self._states.get(number, _State("PENDING"))

    def forget(self, number: str) -> None:
        """Ask no more for a job."""
        with self._lock:
            self._jobs.remove(number)

    def _look(self) -> None:
        command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r|%N"]
        done = subprocess.run(
            [*command, f"--user={getpass.getuser()}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            if not self.silent:
                log.warning("Slurm does not answer (%s); asking again", done.stderr.strip())
            self.silent = True
            return
        self.silent = False
        rows = [line.split("|") for line in done.stdout.splitlines()]
        found = {row[0]: _State(*row[1:4]) for row in rows if len(row) >= 4}
        for number in self._jobs:  # one that Slurm has forgotten has ended
            if number in found or number in self._states:
                self._states[number] = found.get(number, _State("GONE"))

    @staticmethod
    def _ask(program: str, *arguments: str, stdin: str = "", stage: str = "") -> str:
        if shutil.which(program) is None:
            raise MachineError(
                "Slurm's commands are not on this machine.",
                found=f"no {program} in PATH",
                remedy="run `fer run --on slurm` on a login node of the cluster",
            )
        done = subprocess.run(
            [program, *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise MachineError(
                "Slurm refuses a job." if stage else "Slurm does not answer.",
                where=f"{program}, for stage {stage}" if stage else program,
                found=done.stderr.strip(),
                remedy=_ASK if stage else "look whether slurmctld runs (`scontrol ping`)",
            )
        return done.stdout

    def cancel(self, number: str, sent: int) -> None:
        """Stop a job: the worker of one that runs gets the signal, and then Slurm's own."""
        if self.state(number).name == "RUNNING":
            self._cancel(f"--signal={sent}", "--full", number)
        else:
            self._cancel(number)

    @staticmethod
    def _cancel(*arguments: str) -> None:
        subprocess.run(["scancel", *arguments], capture_output=True, check=False)


class _Job:
    def __init__(self, slurm: Slurm, number: str, order: Order, output: Path) -> None:
        self._slurm, self._number, self._order, self._output = slurm, number, order, output
        self._state = _State("PENDING")
        self._asked_to_stop = False
        self._hopeless_since = time.monotonic()

    def lines(self) -> Iterator[str]:
        """What the job has written to its log, and why it waits."""
        told, ended = "", False
        with self._output.open(encoding="utf-8", errors="replace") as log_file:
            text = ""
            while True:
                text += log_file.read()
                *whole, text = text.split("\n")
                yield from (f"{line}\n" for line in whole)
                if ended:
                    break
                self._state = self._slurm.state(self._number)
                if self._has_answered_long_ago():
                    self._slurm.cancel(self._number, signal.SIGKILL)
                    ended = True
                    continue
                self._give_up_if_hopeless()
                why = f"job {self._number} waits: {self._state.reason}"
                if self._state.name == "PENDING" and self._state.reason and why != told:
                    told = why
                    yield why + "\n"
                if self._slurm.silent and self._asked_to_stop:
                    break
                if ended := self._state.name not in _UNDER_WAY:
                    self._await_answer()
                else:
                    time.sleep(_PATIENCE)
        if text:
            yield text
        self._slurm.forget(self._number)

    def _give_up_if_hopeless(self) -> None:
        """Slurm queues jobs that can never run, unless EnforcePartLimits is set.

        Raises:
            MachineError: this is one.
        """
        if self._state.name != "PENDING" or self._state.reason not in _HOPELESS:
            self._hopeless_since = time.monotonic()
        elif time.monotonic() > self._hopeless_since + _GRACE:
            self._slurm.cancel(self._number, signal.SIGTERM)
            raise MachineError(
                "No node of Slurm has what a stage asks for.",
                where=f"stage {self._order.stage}, job {self._number}",
                found=f"{self._order.wants}: {self._state.reason}",
                remedy=_ASK,
            )

    def _has_answered_long_ago(self) -> bool:
        """Whether the worker is done though Slurm has not noticed: its guardian was killed."""
        try:
            return time.time() > Path(self._order.result).stat().st_mtime + _LONG
        except FileNotFoundError:
            return False

    def _await_answer(self) -> None:
        """Give a shared disk some time to show what the node has written."""
        until = time.monotonic() + (_GRACE if self._state.name == "COMPLETED" else 0)
        while not Path(self._order.result).exists() and time.monotonic() < until:
            time.sleep(_PATIENCE)

    def result(self) -> Result:
        """See `order.Job`."""
        found, state = Result.read(Path(self._order.result)), self._state
        ended_well = found is not None and found.status == 0
        if state.name in _REASONS and not ended_well and not self._asked_to_stop:
            problem, remedy = _REASONS[state.name]
            raise MachineError(
                problem,
                where=f"stage {self._order.stage} on node {state.nodes}, job {self._number}",
                found=state.name,
                remedy=remedy + _ON,
            )
        lost = state.name in ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL")
        if found is None or (lost and not ended_well):
            raise NodeLost(f"job {self._number} on {state.nodes or 'no node'}: {state.name}")
        return found

    def signal(self, number: int) -> None:
        """See `order.Job`."""
        self._asked_to_stop = True
        self._slurm.cancel(self._number, number)
