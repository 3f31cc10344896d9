from pathlib import Path

import pytest

from fer_core.images import memory
from fer_core.images.memory import host_room

# Fields and units as in proc_meminfo(5): kB means 1024 bytes.
MEMINFO = """MemTotal:       16384000 kB
MemFree:         1024000 kB
MemAvailable:    8000000 kB
HugePages_Total:       0
"""


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
    (tmp_path / "meminfo").write_text(MEMINFO)
    return tmp_path


def test_half_of_what_is_available_unless_a_size_is_given(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_available", lambda: 1000)
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


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, 8_192_000_000),
        ("max", 8_192_000_000),
        ("3000000000", 2_000_000_000),
        ("900000000", 0),
    ],
)
def test_the_limit_of_a_container_counts(machine: Path, limit: str | None, expected: int) -> None:
    if limit is not None:
        (machine / "memory.max").write_text(f"{limit}\n")
        (machine / "memory.current").write_text("1000000000\n")
    assert memory._available(machine, machine) == expected


V2 = {
    "job": ("memory.max", "memory.current", "inactive_file"),
    "listing": "0::/slurm/job/step\n",
    "root": ".",
}
V1 = {
    "job": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "root": "memory",
}
V1["listing"] = "11:cpuset:/\n4:memory:/slurm/job/step\n1:name=systemd:/user.slice\n"


@pytest.mark.parametrize("version", [V1, V2])
def test_the_limit_of_the_job_that_this_process_is_in_counts_less_the_cache_that_is_given_up(
    machine: Path, version: dict[str, str]
) -> None:
    job = machine / version["root"] / "slurm" / "job"
    (job / "step").mkdir(parents=True)
    (machine / "self").mkdir()
    (machine / "self" / "cgroup").write_text(version["listing"])
    limit, used, cache = version["job"]
    for folder, room in (
        (job, "3000000000"),
        (job / "step", "9223372036854771712" if version is V1 else "max"),
    ):
        (folder / limit).write_text(f"{room}\n")
        (folder / used).write_text("2000000000\n")
    (job / "memory.stat").write_text(f"active_file 5\n{cache} 500000000\n")
    assert memory._available(machine, machine) == 1_500_000_000


def test_a_group_whose_folder_is_not_to_be_seen_from_within_its_container_is_passed_over(
    machine: Path,
) -> None:
    (machine / "self").mkdir()
    (machine / "self" / "cgroup").write_text("0::/../../elsewhere\n")
    (machine / "memory.max").write_text("3000000000\n")
    (machine / "memory.current").write_text("1000000000\n")
    assert memory._available(machine, machine) == 2_000_000_000


def test_stages_side_by_side_share_what_is_available_but_not_a_size_that_is_given(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_available", lambda: 1000)
    monkeypatch.setenv("FER_SIDE_BY_SIDE", "4")
    assert host_room(0) == 125
    assert host_room(0.25) == 250_000_000
