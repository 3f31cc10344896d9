"""What processes tell each other, and logits exported by two of them: the files that one process
writes, byte for byte.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_core.base.errors import GroupError, ModelError
from fer_core.base.files import sha256_file
from fer_core.base.processes import place
from fer_core.base.settings import Settings
from fer_core.models.devices import distributed
from fer_core.models.devices.device import prepare_device
from fer_core.models.networks.saved import build_network, save_model
from tests.models.networks.test_saved import CARD
from tests.tiny import dev_splits, write_half, write_tiny_project

ROOT = Path(__file__).parents[3]
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1",
}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 9))
def test_rows_are_dealt_out_once_in_whole_blocks_and_as_evenly_as_these_allow(
    rows: int, block: int, size: int
) -> None:
    starts = range(0, rows, block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "size", lambda: size)
        shares = distributed.deal(starts, rows)
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(rows))
    counts = [
        len([start for start in starts if share.start <= start < share.stop]) for share in shares
    ]
    assert all(share.start in starts or share.start == rows for share in shares)
    assert max(counts) - min(counts) <= 1 and counts[0] == max(counts)


def test_a_process_on_its_own_gets_back_what_it_gives() -> None:
    rows = torch.rand(3, 2, requires_grad=True)
    assert distributed.gather_rows(rows, [3]) is rows
    assert (
        distributed.size(),
        distributed.rank(),
        distributed.is_first(),
        distributed.highest(7),
    ) == (1, 0, True, 7)
    assert distributed.on_first(lambda: "done") == "done"
    tensor = torch.ones(2)
    distributed.sum_over_ranks([tensor])
    assert tensor.tolist() == [1, 1]
    distributed.check_alike("anything", object())


@pytest.mark.parametrize("missing", [None, *TORCHRUN])
def test_only_all_of_torchruns_variables_make_a_group(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str | None
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    if missing is not None:
        monkeypatch.delenv(missing)
    found = place()
    assert (found.rank, found.size, found.local_rank, found.local_size) == (
        (1, 4, 1, 2) if missing is None else (0, 1, 0, 1)
    )
    assert Settings(device="cpu", threads=6).cpu_threads() == (3 if missing is None else 6)


@pytest.mark.parametrize(
    ("device", "rank", "words"),
    [
        ("cuda:0", 1, "FER_PROCESSES=1"),
        ("cuda", 1, "2 processes, 1 devices"),
        ("cuda", 0, "joined"),
    ],
)
def test_each_process_takes_the_device_of_its_rank(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str, rank: int, words: str
) -> None:
    def joined(found: torch.device) -> None:
        raise GroupError(f"joined with {found}")

    monkeypatch.setattr("fer_core.models.devices.distributed.join", joined)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("fer_core.models.devices.device._prepare_cuda", lambda device: None)
    for name, value in (TORCHRUN | {"LOCAL_RANK": str(rank)}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises((ModelError, GroupError), match=words):
        prepare_device(Settings(device=device, threads=1))


SPEAK = """
import sys, torch
from fer_core.base.errors import TrainingError
from fer_core.models.devices import distributed
from fer_core.models.devices.distributed import join
join(torch.device("cpu"))
me = distributed.rank()

own = torch.full((me + 1, 2), float(me), requires_grad=True)
rows = distributed.gather_rows(own, [1, 2])
assert rows.tolist() == [[0, 0], [1, 1], [1, 1]], rows
(rows * torch.arange(3.0)[:, None]).sum().backward()
assert own.grad.tolist() == ([[0, 0]] if me == 0 else [[1, 1], [2, 2]]), own.grad
assert distributed.gather_rows(torch.ones(5, 2) * me, [3, 0]).tolist() == [[0, 0]] * 3

images = torch.full((4, 3, 2, 2), 2.0).to(memory_format=torch.channels_last)
many = [torch.full((3, 2), 1.0 + me), torch.arange(4.0).double(), images]
distributed._BUCKET = 64
distributed.sum_over_ranks(many)
assert many[0].tolist() == [[3, 3]] * 3 and many[1].tolist() == [0, 2, 4, 6]
assert (many[2] == 4).all()

assert distributed.highest([0, 15][me]) == 15
assert distributed.on_first(lambda: ["of", me]) == ["of", 0]
distributed.check_alike("names", "a")
try:
    distributed.check_alike("names", me)
except Exception as error:
    assert "differ in names" in str(error) and "ranks [1]" in str(error), error
else:
    raise AssertionError("not noticed")

def fail(error):
    raise error

for error in (TrainingError("the disk is full"), OSError("so it is")):
    try:
        distributed.on_first(lambda: fail(error))
    except type(error):
        assert me == 0
    except SystemExit as ended:
        assert me == 1 and ended.code == 1
    else:
        raise AssertionError("not noticed")

if me == 1:
    sys.exit(0)
try:
    distributed.highest(0)
except Exception as error:
    assert "has ended" in str(error), error
else:
    raise AssertionError("not noticed")
"""


def test_two_processes_understand_each_other(tmp_path: Path) -> None:
    (tmp_path / "speak.py").write_text(SPEAK)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            str(tmp_path / "speak.py"),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_two_processes_write_the_logits_that_one_writes(tmp_path: Path) -> None:
    """More rows than a batch, so that both have some."""
    write_tiny_project(tmp_path)
    write_half(tmp_path / "data" / "pack" / "dev", dev_splits(train=300, val=28, calib=28))
    torch.manual_seed(0)
    save_model(tmp_path / "model", build_network(CARD), replace(CARD, key="tiny"))
    written = []
    for processes in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "stages.logits", "dev", "tiny", "model"],
            cwd=tmp_path,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "FER_DEVICE": "cpu",
                "FER_THREADS": "2",
                "OMP_NUM_THREADS": "1",
                "FER_PROCESSES": str(processes),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        folder = tmp_path / "data" / "logits" / "tiny" / "dev"
        written.append({file.name: sha256_file(file) for file in folder.iterdir()})
        assert f"{356 if processes == 1 else 256} images held in host memory" in done.stderr
        shutil.rmtree(folder)
    assert written[0] == written[1]
