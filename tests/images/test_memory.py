from pathlib import Path

import pytest

from fer_core.images import memory
from fer_core.images.memory import host_room


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_half_of_what_is_available_unless_a_size_is_given(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    assert host_room(0) == 500
    assert host_room(0.25) == 250_000_000


def test_processes_of_one_machine_share_its_memory(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = {
        "RANK": "1",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "1",
    }
    for name, value in group.items():
        monkeypatch.setenv(name, value)
    assert host_room(1.0) == 250_000_000


def test_stages_side_by_side_share_what_is_available_but_not_a_size_that_is_given(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    monkeypatch.setenv("FER_SIDE_BY_SIDE", "4")
    assert host_room(0) == 125
    assert host_room(0.25) == 250_000_000
