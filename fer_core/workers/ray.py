"""Workers as actors of Ray.

Nodes need the same Python packages and nothing of the project: the code travels with the order.
What a worker prints comes back as a stream. Ray's usage statistics and dashboard are off.
"""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fer_core.base.errors import MachineError, ParamsError
from fer_core.workers.order import NodeLost, Order, Result, Wants

__all__ = ["Ray"]

_INSTALL = (
    "`.venv/bin/uv pip install --require-hashes -r requirements-ray.lock` (see docs/scaling.md)"
)
_PATIENCE = 5.0  # seconds
_WAITS = 20.0  # seconds after which a stage that has not begun says what it waits for


class Ray:
    """See the module.

    Args:
        address: `HOST:PORT` of the head; "" starts a Ray of this machine for the run.

    Raises:
        MachineError: Ray is not installed, nobody answers, or versions differ.
    """

    def __init__(self, address: str = "") -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray
        except ImportError as error:
            raise MachineError("Ray is not installed.", found=error, remedy=_INSTALL) from error
        self._ray, self._snapshots = ray, dict[str, Any]()
        if address:
            _check_answers(address)
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            versions = "ersion" in str(error)
            raise MachineError(
                "The Ray of the cluster is of another version."
                if versions
                else "Ray does not start.",
                where=address or "this machine",
                found=error,
                remedy=f"give all nodes one Python and the same packages: {_INSTALL}"
                if versions
                else "`ray status --address HOST:PORT` says how the cluster is",
            ) from error
        ray.cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["_Worker"]))

    def submit(self, order: Order, file: Path) -> "_Job":
        """Hand an order over."""
        if order.digest not in self._snapshots:
            self._snapshots[order.digest] = self._ray.put(Path(order.snapshot).read_bytes())
        wants = order.wants
        actor = (
            self._ray.remote(_Worker)
            .options(
                num_cpus=wants.cpus,
                num_gpus=wants.gpus,
                memory=int(wants.memory_gb * 1e9) or None,
                max_restarts=0,
                max_concurrency=2,
            )
            .remote()
        )
        text = file.read_text(encoding="utf-8")
        work = actor.work.options(num_returns="streaming", name=f"fer-{order.stage}")
        stream = work.remote(text, self._snapshots[order.digest])
        return _Job(self._ray, actor, stream, order)

    def close(self) -> None:
        """Leave the cluster, or stop the Ray that was started for this run."""
        self._ray.shutdown()


def _check_answers(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ParamsError(
            "This is no address of a Ray cluster.",
            where="--address, FER_ADDRESS or fer.local.toml: address",
            found=address,
            expected="HOST:PORT, such as node0:6379",
        )
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise MachineError(
            "No Ray answers at this address.",
            where=address,
            found=error,
            remedy="start its head there: `ray start --head --port=6379 --include-dashboard=false "
            "--disable-usage-stats`",
        ) from error


class _Worker:
    """An actor on the node; it travels by value, so this module need not be there."""

    def __init__(self) -> None:
        self._process: Any = None
        self._stopped: list[int] = []

    def stop(self, number: int) -> None:
        """Pass a signal on to the worker, while `work` is at it."""
        self._stopped.append(number)
        if self._process is not None:
            self._process.send_signal(number)

    def work(self, text: str, snapshot: bytes) -> Iterator[str]:
        """Carry out an order.

        Yields:
            "" at the start, what the worker prints, and last its answer after a NUL.
        """
        import json
        import subprocess
        import sys
        import tarfile
        import tempfile
        from pathlib import Path

        yield ""
        order = json.loads(text)
        with tempfile.TemporaryDirectory(prefix="fer-order-") as folder:
            place = Path(folder)
            (place / "code.tar").write_bytes(snapshot)
            with tarfile.open(place / "code.tar") as archive:
                archive.extractall(place / "code", filter="tar")
            order |= {"snapshot": str(place / "code.tar"), "result": str(place / "result.json")}
            (place / "order.json").touch(mode=0o600)
            (place / "order.json").write_text(json.dumps(order))
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "fer_core.workers.worker", str(place / "order.json")],
                cwd=place / "code",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            for number in self._stopped:
                process.send_signal(number)
            assert process.stdout is not None
            for line in process.stdout:  # noqa: UP028 - Ray wants a generator's own methods
                yield line
            status = process.wait()
            answer = place / "result.json"
            yield "\0" + (answer.read_text() if answer.exists() else f"status {status}")


class _Job:
    def __init__(self, ray: Any, actor: Any, stream: Any, order: Order) -> None:
        self._ray, self._actor, self._stream, self._order = ray, actor, stream, order
        self._begun = False
        self._answer: str | None = None
        self._lost = ""

    def lines(self) -> Iterator[str]:
        """What the worker prints, and why it waits."""
        errors = self._ray.exceptions
        began, told = time.monotonic(), False
        try:
            while True:
                ready, _ = self._ray.wait([self._stream], timeout=_PATIENCE, fetch_local=False)
                if not ready:
                    if not told and time.monotonic() > began + _WAITS:
                        told = True
                        yield f"waits for a node with {_words(self._order.wants)}\n"
                    continue
                self._begun = told = True
                line = self._ray.get(next(self._stream))
                if line.startswith("\0"):
                    self._answer = line[1:]
                else:
                    yield line
        except StopIteration:
            return
        except errors.OutOfMemoryError as error:
            raise MachineError(
                "Ray ended a stage: its node has no memory left.",
                where=f"stage {self._order.stage}",
                found=str(error).splitlines()[0],
                remedy="set `job_memory_gb` in fer.local.toml, so that fewer stages share a node, "
                "or `memory_gb` for decoded images; `fer run` goes on from the last epoch",
            ) from error
        except errors.RayTaskError as error:
            raise MachineError(
                "A node cannot start a worker.",
                where=f"stage {self._order.stage}",
                found=str(error).strip().splitlines()[-1],
                remedy="look at the node's disk and Python (`fer doctor` there)",
            ) from error
        except errors.RayError as error:
            self._lost = type(error).__name__

    def result(self) -> Result:
        """See `order.Job`."""
        if self._answer is None or not self._answer.startswith("{"):
            raise NodeLost(self._lost or self._answer or "the worker said nothing")
        return Result.parse(self._answer)

    def signal(self, number: int) -> None:
        """See `order.Job`; one that has not begun is taken back."""
        if self._begun:
            self._actor.stop.remote(number)
        else:
            self._ray.kill(self._actor)


def _words(wants: Wants) -> str:
    gpus = f", {wants.gpus} GPUs" if wants.gpus else ""
    memory = f", {wants.memory_gb:g} GB" if wants.memory_gb else ""
    return f"{wants.cpus} CPUs{gpus}{memory} (`ray status` shows what there is)"
