"""A run spread over two processes is the run that one process makes of the same batches: loss by
loss and weight by weight.

Tolerances: networks in double precision agree to 1e-7 of the greatest weight, and the recorded
losses, which are single precision, to 1e-6; a network in single precision has losses that agree to
1e-4.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from fer_core.base.errors import TrainingError
from fer_core.models.devices import distributed
from fer_core.pipeline.running.nursery import Process
from fer_core.training.loop.layers import WholePassNoise
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import Pass, check_split, passes
from tests import forked
from tests.tiny import dev_splits, write_half
from tests.training.spread import CASES, PLAIN, open_data, outcome
from tests.training.test_resume import EPOCHS, arguments, environment, make_project, out, result

ROOT = Path(__file__).parents[2]
# three batches of 28 and one of 6, less than a group of batch normalisation for each process
TRAIN = 90
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node",
    "2",
    "-m",
]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack") / "dev"
    write_half(folder, dev_splits(train=TRAIN, val=28, calib=7), seed=1)
    return folder


@pytest.fixture(scope="module")
def group(pack: Path) -> dict[str, Any]:
    """What two processes make of every case."""
    file = pack.parent / "group.pt"
    done = subprocess.run(
        [*TORCHRUN, "tests.training.spread", str(pack), str(file)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = torch.load(file, weights_only=True)
    return found


def alone(name: str, pack: Path, folder: Path) -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return outcome(name, open_data(pack), folder)
    finally:
        torch.set_num_threads(threads)


def losses(run: dict[str, Any]) -> list[float]:
    return [epoch[name] for epoch in run["history"] for name in ("train_loss", "val_nll")]


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Greatest difference of any weight or statistic, as a share of the greatest of them."""
    pairs = [
        (one[kind][name], other[kind][name])
        for kind in ("weights", "last")
        for name in one[kind]
        if "num_batches" not in name
    ]
    return max(float((a - b).abs().max()) for a, b in pairs) / max(
        float(a.abs().max()) for a, _ in pairs
    )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, case in CASES.items()
        if name not in ("no sum", "half of the batch", "no groups")
    ],
)
def test_two_processes_make_the_run_that_one_makes(
    group: dict[str, Any], pack: Path, tmp_path: Path, name: str
) -> None:
    one, two = alone(name, pack, tmp_path), group[name]
    single = "single precision" in name
    assert losses(two) == pytest.approx(losses(one), rel=1e-4 if single else 1e-6)
    assert [epoch["train_accuracy"] for epoch in two["history"]] == [
        epoch["train_accuracy"] for epoch in one["history"]
    ]
    assert two["selected"] == one["selected"]
    assert [set(epoch) for epoch in two["history"]] == [set(epoch) for epoch in one["history"]]
    if not single:
        assert distance(one, two) < 1e-7


def test_gradients_that_are_not_summed_are_noticed_at_the_end_of_the_epoch(
    group: dict[str, Any],
) -> None:
    assert "differ in the network's weights" in group["no sum"]["error"]


def test_gradients_of_one_process_alone_make_another_run(group: dict[str, Any]) -> None:
    """What the comparison above would say of a reduction that gives all processes the same wrong
    gradient.
    """
    right, wrong = group["layer norm"], group["half of the batch"]
    assert distance(right, wrong) > 1e-3
    assert losses(wrong) != pytest.approx(losses(right), rel=1e-3)


def test_batch_normalisation_without_groups_is_refused_with_what_to_set(
    group: dict[str, Any],
) -> None:
    assert "batch_norm_group: 0" in group["no groups"]["error"]
    assert "train.batch_norm_group to [2, 7, 14]" in group["no groups"]["error"]


def as_rank(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(distributed, "size", lambda: size)


@pytest.mark.parametrize(
    ("change", "size", "words"),
    [
        ({"batch_norm_group": 7}, 3, r"4 groups.*one of \[1, 2, 4\] processes"),
        ({"batch_norm_group": 14}, 4, r"2 groups.*one of \[1, 2\] processes"),
        ({"batch_norm_group": 0}, 3, "a batch that 6 goes into"),
        ({"batch_norm_group": 7}, 5, r"4 groups"),
    ],
)
def test_groups_that_do_not_go_into_the_processes_are_refused(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, int], size: int, words: str
) -> None:
    as_rank(monkeypatch, 0, size)
    with pytest.raises(TrainingError, match=f"(?s){words}"):
        check_split(nn.BatchNorm1d(3), TrainOptions.model_validate(PLAIN.model_dump() | change))


def test_fewer_rows_than_processes_are_refused_and_uneven_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_rank(monkeypatch, 0, 29)
    with pytest.raises(TrainingError, match="a row for each process"):
        check_split(nn.LayerNorm(3), PLAIN)
    as_rank(monkeypatch, 0, 3)
    check_split(nn.LayerNorm(3), PLAIN)


def passes_of(rows: int, micro: int, group: int, size: int) -> list[list[Pass]]:
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for rank in range(size):
            as_rank(patch, rank, size)
            found.append(passes(rows, micro, group))
    return found


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 80), st.integers(1, 6), st.integers(0, 9), st.integers(1, 5))
def test_every_row_goes_through_one_process_in_whole_groups(
    rows: int, groups: int, group: int, size: int
) -> None:
    micro = max(2, groups * max(1, group))
    found = passes_of(rows, micro, group, size)
    for shares in zip(*found, strict=True):
        part = shares[0].part
        assert all(share.part == part and share.counts == shares[0].counts for share in shares)
        assert sum(shares[0].counts) == part.stop - part.start
        assert sum(share.weight for share in shares) == pytest.approx(1)
        place = part.start
        for share, count in zip(shares, shares[0].counts, strict=True):
            assert (share.weight > 0) == (count > 0)
            if count:
                assert (share.own.start, share.own.stop) == (place, place + count)
                assert not group or (place - part.start) % group == 0, (
                    "a group begins where it would in one process"
                )
            place += count
        assert shares[0].weight > 0, (
            "the first process has the run's statistics and always takes part"
        )


@pytest.mark.parametrize("rank", [0, 1])
def test_dropout_and_stochastic_depth_are_those_of_the_whole_pass(
    monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    noisy = nn.Sequential(nn.Dropout(0.3), timm.layers.DropPath(0.4), nn.Dropout2d(0.0)).train()
    values = torch.rand(6, 5, 4, 4) + 1
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(7)
        whole = noisy(values.to(memory_format=layout))
        after = torch.rand(1)
        (share,) = passes_of(6, 6, 2, 2)[rank]
        torch.manual_seed(7)
        with WholePassNoise(share):
            own = noisy(values[share.own].to(memory_format=layout))
        assert torch.equal(own, whole[share.own])
        assert torch.equal(torch.rand(1), after), "the random numbers go on from the same place"
    assert not torch.equal(functional.dropout(values[share.own], 0.3), own)


def start(root: Path, processes: int) -> Process:
    """The student's stage as DVC starts it, which then starts its processes itself."""
    own = environment(root) | {"FER_PROCESSES": str(processes)}
    return forked.start(root, "student", arguments("student"), own)


def finish(root: Path, processes: int) -> str:
    ended = forked.finish(start(root, processes))
    assert ended.status == 0, ended.text
    return ended.text


def children(process: int) -> list[int]:
    return [
        int(number)
        for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def stop(root: Path, which: Callable[[Process], int], number: signal.Signals) -> tuple[int, str]:
    """Start the stage in two processes, send one a signal once two epochs are saved; exit status
    and the log.
    """
    ended = forked.send_after(start(root, 2), "epoch 2/", number, which)
    return ended.status, ended.text


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A student that two processes have trained without interruption, and the log."""
    root = make_project(tmp_path_factory.mktemp("whole") / "project", batch_norm_group=7)
    return root, finish(root, 2)


def check_histories(one: Path, other: Path) -> None:
    """Losses of the first epochs: rounding in single precision grows from there. That nothing but
    rounding differs is shown in double precision above; groups of batch normalisation of another
    size change the first loss by some percent.
    """
    found, expected = (
        pd.read_csv(out(root, "student") / "record" / "history.csv")["train_loss"]
        for root in (one, other)
    )
    assert len(found) == len(expected) == EPOCHS
    assert found[0] == pytest.approx(expected[0], rel=1e-3)
    assert found[1] == pytest.approx(expected[1], rel=1e-2)


def alive(process: int) -> bool:
    """Whether a process still runs; one that has ended may be listed until its parent takes
    note.
    """
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_stage_starts_its_processes_and_one_of_them_writes(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    root, log = whole
    assert log.count(f"epoch {EPOCHS}/{EPOCHS}") == 1
    record = json.loads((out(root, "student") / "log/environment.json").read_text())
    assert record["processes"] == 2
    assert not list((root / "runs").rglob("state.pt"))
    alone = make_project(tmp_path / "alone", batch_norm_group=7)
    finish(alone, 1)
    check_histories(root, alone)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes are found in /proc")
def test_a_signal_to_any_process_stops_all_and_the_run_goes_on_to_the_same_weights(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    root = make_project(tmp_path / "project", batch_norm_group=7)
    status, log = stop(root, lambda run: children(run.pid)[1], signal.SIGTERM)
    assert status == 128 + signal.SIGTERM, log
    assert log.count("SIGTERM: stopped; 2 finished epochs are kept") == 1
    assert not (out(root, "student") / "model").exists()
    again = finish(root, 2)
    assert "resumed after epoch 2" in again
    assert result(root, "student") == result(whole[0], "student")


def test_interrupted_in_two_processes_a_run_goes_on_in_one(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    root = make_project(tmp_path / "project", batch_norm_group=7)
    status, log = stop(root, lambda run: run.pid, signal.SIGINT)
    assert status == 128 + signal.SIGINT, log
    again = finish(root, 1)
    assert "resumed after epoch 2" in again
    check_histories(root, whole[0])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes are found in /proc")
def test_processes_do_not_outlive_the_stage_that_started_them(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", batch_norm_group=7)
    workers: list[int] = []

    def of_stage(run: Process) -> int:
        workers.extend(children(run.pid))
        return run.pid

    status, _ = stop(
        root, of_stage, signal.SIGKILL
    )  # the log ends when the last process that writes to it has
    assert status == -signal.SIGKILL
    assert len(workers) == 2
    assert not [number for number in workers if alive(number)]
    assert not (out(root, "student") / "model").exists()
