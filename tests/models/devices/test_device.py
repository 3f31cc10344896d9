"""Preparing a device: what is set for CUDA, seen through a machine that pretends to have two such
devices.
"""

from collections.abc import Iterator

import pytest
import torch

from fer_core.base.errors import ModelError
from fer_core.base.settings import Settings
from fer_core.models.devices.device import device_memory, prepare_device


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Devices that became the process's current one, on a machine with two."""
    found: list[str] = []
    threads, precision, benchmark = (
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
    )
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: found.append(str(device)))
    yield found
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.benchmark = benchmark
    torch.use_deterministic_algorithms(False)


def settings(device: str) -> Settings:
    return Settings(device=device, threads=1)


def test_a_single_process_works_on_the_very_device_it_is_given(chosen: list[str]) -> None:
    assert str(prepare_device(settings("cuda:1"))) == "cuda:1"
    assert chosen == ["cuda:1"]
    assert str(prepare_device(settings("auto"))) == "cuda"


def test_a_device_that_is_not_there_is_named_with_those_that_are(chosen: list[str]) -> None:
    with pytest.raises(ModelError, match="cuda:0, cuda:1"):
        prepare_device(settings("cuda:2"))


def test_cuda_takes_the_fast_number_format_and_algorithms_and_the_cpu_keeps_its_own(
    chosen: list[str],
) -> None:
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")
    prepare_device(settings("cpu"))
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == (
        False,
        "highest",
    )
    assert torch.are_deterministic_algorithms_enabled()
    prepare_device(settings("cuda"))
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == (True, "high")
    assert torch.backends.cudnn.allow_tf32


def test_a_full_device_is_an_error_that_says_what_to_change() -> None:
    with pytest.raises(ModelError, match="CUDA out of memory") as caught, device_memory():
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2 GiB.\nSee documentation."
        )
    for remedy in ("train.accumulation", "train.batch", "FER_MEMORY_GB"):
        assert remedy in str(caught.value)
