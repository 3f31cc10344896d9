"""The same pipeline on a real Ray: two nodes of one machine, with GPUs that do not exist."""

import os
import platform
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_core.base.errors import MachineError, ParamsError
from fer_core.workers import ray as on_ray
from tests.pipeline.checkouts import run
from tests.waiting import when
from tests.workers.away import epochs, ran, recorded, run_away, workers

HOW = "ray is not installed: `uv pip install --require-hashes -r requirements-ray.lock`"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a CPU and two GPUs each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray", reason=HOW)
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "num_gpus": 2, "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args=options | {"include_dashboard": False})
    made.add_node(**options)
    yield made
    made.shutdown()


def test_records_are_byte_for_byte_those_of_a_run_here(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Any
) -> None:
    assert run_away(checkout, on="ray", address=cluster.address, store="store") == 0
    away = recorded(checkout)
    ran(checkout)
    (checkout / "dvc.lock").unlink()
    assert run(force=True) == 0
    assert ran(checkout) == ["a", "b", "fact", "joined"]
    assert recorded(checkout) == away


def test_a_worker_that_is_killed_is_started_again_and_goes_on(
    training: Path, capsys: pytest.CaptureFixture[str], cluster: Any
) -> None:
    import psutil

    def kill() -> None:
        for worker in workers(training):
            above = psutil.Process(worker).parent()
            assert above is not None
            above.kill()  # Ray's own process on the node

    killer = when(lambda: epochs(training) >= 2, kill)
    assert run_away(training, on="ray", address=cluster.address, store="store") == 0
    killer.join()
    told = capsys.readouterr().out
    assert "the node is lost (ActorDiedError" in told
    assert "from epoch 0" in told and ("from epoch 2" in told or "from epoch 3" in told)
    assert (training / "trained").read_text() == "weights\n"


def test_ctrl_c_reaches_the_command_on_the_node(training: Path, cluster: Any) -> None:
    text = (training / "stage.py").read_text().replace("epochs < 4", "epochs < 60")
    (training / "stage.py").write_text(text)
    when(lambda: epochs(training) >= 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    began = time.monotonic()
    assert run_away(training, on="ray", address=cluster.address, store="store") == 130
    until = time.monotonic() + 10
    while workers(training) and time.monotonic() < until:
        time.sleep(0.1)
    assert not workers(training) and time.monotonic() - began < 60
    assert not (training / "dvc.lock").exists()


def test_a_node_without_the_gpu_that_it_promised_is_told(
    checkout: Path, capsys: pytest.CaptureFixture[str], cluster: Any
) -> None:
    status = run_away(
        checkout, "make@a", heavy=True, gpus=1, on="ray", address=cluster.address, store="store"
    )
    told = capsys.readouterr().out
    assert status == 1 and "does not have the GPUs" in told and f"node: {platform.node()}" in told


def test_wants_that_no_node_has_are_told_and_ctrl_c_ends_the_wait(
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    cluster: Any,
) -> None:
    monkeypatch.setattr(on_ray, "_WAITS", 2.0)
    monkeypatch.setattr(on_ray, "_PATIENCE", 1.0)
    told: list[str] = []

    def waits() -> bool:
        told.append(capsys.readouterr().out)
        return "waits for a node" in "".join(told)

    when(waits, lambda: os.kill(os.getpid(), signal.SIGINT))
    status = run_away(checkout, "make@a", threads=50, on="ray", address=cluster.address)
    assert status == 130
    assert "waits for a node with 50 CPUs" in "".join(told)


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        ("127.0.0.1:1", MachineError, r"No Ray answers[\s\S]*ray start --head"),
        ("nowhere", ParamsError, r"no address of a Ray cluster[\s\S]*HOST:PORT"),
    ],
)
def test_an_address_where_no_ray_is_is_told_at_once(
    address: str, error: type[Exception], told: str
) -> None:
    pytest.importorskip("ray", reason=HOW)
    with pytest.raises(error, match=told):
        on_ray.Ray(address)


def test_another_version_of_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason=HOW)

    def refuse(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(MachineError, match=r"another version[\s\S]*2\.9\.0[\s\S]*ray\.lock"):
        on_ray.Ray("")


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MachineError, match=r"requirements-ray\.lock"):
        on_ray.Ray("")
