"""The state of an interrupted run: a full disk and a damaged file are errors that say what to do,
and nothing whole is lost.
"""

import errno
import os
from pathlib import Path

import pytest
import torch

from fer_core.base.errors import ModelError, TrainingError
from fer_core.models.networks.saved import build_network, save_model
from fer_core.training.loop.interruption import Scratch
from tests.models.networks.test_saved import CARD

STATE = {"network": {"weight": torch.arange(1000.0)}, "history": [{"epoch": 0}]}


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    made = Scratch(tmp_path)
    made.save(STATE)
    return made


def weight(scratch: Scratch) -> torch.Tensor:
    state = scratch.load()
    assert state is not None
    found: torch.Tensor = state["network"]["weight"]
    return found


def test_what_is_saved_is_loaded(scratch: Scratch) -> None:
    assert torch.equal(weight(scratch), STATE["network"]["weight"])  # type: ignore[index, call-overload]
    assert Scratch(scratch.folder / "new").load() is None


@pytest.mark.parametrize("place", [0, 40, 2500, -1])
def test_one_flipped_bit_anywhere_is_noticed(scratch: Scratch, place: int) -> None:
    file = scratch.folder / "state.pt"
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(TrainingError, match="damaged") as caught:
        scratch.load()
    assert "state.pt" in str(caught.value)
    assert f"delete {scratch.folder}" in str(caught.value)


@pytest.mark.parametrize("length", [0, 10, 32, 1000])
def test_a_cut_file_is_noticed(scratch: Scratch, length: int) -> None:
    file = scratch.folder / "state.pt"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(TrainingError, match="damaged"):
        scratch.load()


def test_full_disk_is_an_error_with_a_remedy_and_keeps_the_state_before(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TrainingError, match="No space left on device") as caught:
        scratch.save({"network": {"weight": torch.zeros(1000)}})
    monkeypatch.undo()
    assert "state.pt" in str(caught.value)
    assert "free disk space" in str(caught.value)
    assert weight(scratch)[5] == 5
    assert [file.name for file in scratch.folder.iterdir()] == ["state.pt"]


def test_a_disk_that_fills_up_while_writing_is_the_same_error(
    scratch: Scratch, small_files: None
) -> None:
    with pytest.raises(TrainingError, match="free disk space"):
        scratch.save({"network": {"weight": torch.zeros(1000)}})
    assert weight(scratch)[5] == 5
    assert [file.name for file in scratch.folder.iterdir()] == ["state.pt"]


def test_a_model_that_does_not_fit_on_the_disk_leaves_nothing(
    tmp_path: Path, small_files: None
) -> None:
    with pytest.raises(ModelError, match="free disk space"):
        save_model(tmp_path / "model", build_network(CARD), CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_killed_while_it_saves_finds_the_state_before(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(descriptor: int) -> None:
        (half,) = scratch.folder.glob(".state.pt.*.tmp")
        (scratch.folder / ".state.pt.4194305.tmp").write_bytes(
            half.read_bytes()
        )  # beyond the greatest process number: nobody's
        raise Killed

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(Killed):
        scratch.save({"network": {"weight": torch.zeros(1000)}})
    monkeypatch.undo()
    assert weight(scratch)[5] == 5
    scratch.save(STATE)
    assert [file.name for file in scratch.folder.iterdir()] == ["state.pt"], (
        "what the killed run left is cleared away"
    )
