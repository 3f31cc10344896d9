"""Cores and memory that this process may use, within containers and batch jobs."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from fer_core.base.machine import (
    available_memory,
    cpu_model,
    load_average,
    memory_limit,
    usable_cores,
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16,384,000,000 bytes, half of them available; the folder holds its groups."""
    memory = SimpleNamespace(total=16_384_000_000, available=8_192_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max", 16_384_000_000), ("3000000000", 3_000_000_000), ("99000000000", 16_384_000_000)],
)
def test_memory_is_that_of_the_container(machine: Path, text: str, expected: int) -> None:
    (machine / "memory.max").write_text(f"{text}\n")
    assert memory_limit(machine / "memory.max") == expected
    assert memory_limit(machine / "nothing") == 16_384_000_000


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
    assert available_memory(machine, machine) == expected


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
    assert available_memory(machine, machine) == 1_500_000_000


def test_a_group_whose_folder_is_not_to_be_seen_from_within_its_container_is_passed_over(
    machine: Path,
) -> None:
    (machine / "self").mkdir()
    (machine / "self" / "cgroup").write_text("0::/../../elsewhere\n")
    (machine / "memory.max").write_text("3000000000\n")
    (machine / "memory.current").write_text("1000000000\n")
    assert available_memory(machine, machine) == 2_000_000_000


def test_facts_of_this_machine_are_sensible() -> None:
    assert usable_cores() >= 1
    assert cpu_model()
    assert load_average() >= 0
    assert 0 < available_memory() <= memory_limit() <= psutil.virtual_memory().total
