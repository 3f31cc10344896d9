"""What the coordinator asks of a worker, and what the worker answers; both travel as JSON."""

import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Protocol

from fer_core.base.errors import FerError, MachineError
from fer_core.base.files import write_text

__all__ = [
    "Engine",
    "Item",
    "Job",
    "NodeLost",
    "Order",
    "Result",
    "Wants",
    "check_versions",
    "explained",
    "versions",
]

_SHOWN = 8
_OWN = "fer-dag"


@dataclass(frozen=True)
class Item:
    """A file or folder by its content.

    Attributes:
        path: where it belongs, relative to the project's root.
        hash: MD5 as DVC writes it; ends with ".dir" for a folder.
    """

    path: str
    hash: str


@dataclass(frozen=True)
class Wants:
    """What a stage asks its node for.

    Attributes:
        cpus: CPU threads.
        gpus: GPUs; 0 for a stage that runs on the CPU.
        memory_gb: 10^9 bytes; 0 says nothing.
        hours: after which the engine may end it; 0 says nothing.
    """

    cpus: int
    gpus: int = 0
    memory_gb: float = 0.0
    hours: float = 0.0


@dataclass(frozen=True)
class Order:
    """One stage for one worker.

    Attributes:
        stage: its address, such as `student@kd-1337`.
        text: its command.
        folder: where the command runs, relative to the root.
        environment: variables that the command gets beside those of the node.
        outs: paths that the command makes, relative to the root.
        cache: folder of a DVC cache that all nodes share; "" where a remote is used.
        remote: settings of the DVC remote, without secrets; empty where the cache is shared.
        node_folder: where the node keeps checkouts and its cache; "" takes a temporary folder.
        versions: of Python and the packages that the worker must have, too.
        wants: what the engine was asked for.
        deps: what is to be fetched before.
        snapshot: tar file with the code and parameters.
        digest: of the snapshot's content.
        result: file that the worker writes its answer to.
    """

    stage: str
    text: str
    folder: str
    environment: dict[str, str]
    outs: list[str]
    cache: str
    remote: dict[str, Any]
    node_folder: str
    versions: dict[str, str]
    wants: Wants
    deps: list[Item] = field(default_factory=list)
    snapshot: str = ""
    digest: str = ""
    result: str = ""

    def write(self, path: Path) -> None:
        """Write it where only the owner can read it."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Order":
        """The order in a file that `write` has written."""
        found = json.loads(path.read_text(encoding="utf-8"))
        found["deps"] = [Item(**item) for item in found["deps"]]
        found["wants"] = Wants(**found["wants"])
        return cls(**found)


@dataclass
class Result:
    """A worker's answer.

    Attributes:
        status: exit status of the command, negative after a signal; 1 where the worker failed.
        node: name of the machine.
        outs: what the command made; all of it is in the store.
        error: why the worker failed, as text for people; "" where it did not.
        lost: whether it failed because the store lacks an object that it should have.
        cpu: CPU seconds of the command.
        peak: of its resident memory, in bytes.
    """

    status: int
    node: str
    outs: list[Item] = field(default_factory=list)
    error: str = ""
    lost: bool = False
    cpu: float = 0.0
    peak: int = 0

    def write(self, path: Path) -> None:
        """Write it in one step."""
        write_text(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Result | None":
        """The answer in a file; None where there is none."""
        return cls.parse(path.read_text(encoding="utf-8")) if path.exists() else None

    @classmethod
    def parse(cls, text: str) -> "Result":
        """The answer in the text of such a file."""
        found = json.loads(text)
        found["outs"] = [Item(**item) for item in found["outs"]]
        return cls(**found)


class NodeLost(Exception):
    """A worker ended without an answer: its node died, or the job was preempted."""


class Job(Protocol):
    """A worker that was asked for."""

    def lines(self) -> Iterator[str]:
        """What it prints, until it has ended."""

    def result(self) -> Result:
        """Its answer.

        Raises:
            NodeLost: it has none; the stage may be started again elsewhere.
            MachineError: the engine ended it for a reason that would come again.
        """

    def signal(self, number: int) -> None:
        """Ask it to stop."""


class Engine(Protocol):
    """What starts workers: processes of this machine, Ray or Slurm."""

    def submit(self, order: Order, file: Path) -> Job:
        """Start a worker.

        Args:
            order: what it is to do.
            file: the order as a file.

        Raises:
            FerError: the engine refuses.
        """

    def close(self) -> None:
        """Let go of the engine."""


def versions() -> dict[str, str]:
    """Versions of Python and of every package, by name."""
    found = {
        re.sub(r"[-_.]+", "-", str(one.name)).lower(): str(one.version) for one in distributions()
    }
    found.pop(_OWN, None)  # our own code comes with the snapshot
    return {"python": platform.python_version(), **dict(sorted(found.items()))}


def check_versions(wanted: Mapping[str, str], where: str) -> None:
    """Whether this Python has what the coordinator has: other versions may give other bits.

    Raises:
        MachineError: it has not.
    """
    here = versions()
    differ = [
        f"{name} {here.get(name, 'missing')}, not {wanted.get(name, 'installed there')}"
        for name in sorted({*wanted, *here})
        if here.get(name) != wanted.get(name)
    ]
    if differ:
        more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
        raise MachineError(
            "This node has other versions than the coordinator.",
            where=where,
            found="; ".join(differ[:_SHOWN]) + more,
            remedy="`make setup` on the node (with the same lock of extras), or let `python` in "
            "fer.local.toml name one Python on a shared disk",
        )


def explained(error: FerError, stage: str, node: str) -> str:
    """An error of ours as text, with the stage and the node."""
    return f"{error}\n  stage: {stage}\n  node: {node}"
