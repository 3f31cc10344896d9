"""A whole run, from rows to the outs: what is saved is what was selected, and what the machine's
settings change about it.
"""

import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
import torch
from torch import Tensor

from fer_core.base.errors import ModelError, TrainingError
from fer_core.base.settings import Settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.views import student_view
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model
from fer_core.training.loop import run as module
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.run import TrainingRun, open_training_data, run_training
from fer_core.training.losses.ce import CE
from fer_core.training.students.student import StudentTask
from tests.models.networks.test_saved import CARDS
from tests.tiny import ARCH, PREPROCESSING, SIDE, TRAINING, VIEWS, dev_splits, write_half

CPU = torch.device("cpu")
OPTIONS = TRAINING.model_copy(update={"epochs": 3})
STUDENT = replace(CARDS["linear"], preprocessing=PREPROCESSING)


class Student(StudentTask):
    """A student that does something when the val rows are looked at after an epoch."""

    then: ClassVar[dict[int, Callable[[], object]]] = {}

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        self.then.get(epoch, lambda: None)()
        return super().predict(images, epoch)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("pack") / "dev"
    write_half(folder, dev_splits(train=56, val=28, calib=7), seed=1)
    return Pack.open(folder)


def go(pack: Pack, root: Path, options: TrainOptions = OPTIONS, **settings: object) -> Student:
    """A run in a folder."""
    machine = Settings(device="cpu", runs=root / "runs", threads=1, **settings)  # type: ignore[arg-type]
    torch.manual_seed(0)
    task = Student(
        build_classifier(ARCH, SIDE),
        CE(label_smoothing=0.0),
        None,
        lambda epoch: student_view(epoch, VIEWS.count),
    )
    run = TrainingRun("student/ce-1", 1, pack, None, VIEWS, machine, CPU)
    data = open_training_data(run, PREPROCESSING, options)
    run_training(run, root / "out", task, STUDENT, data, options)
    return task


def weights(root: Path) -> dict[str, Tensor]:
    return dict(load_model(root / "out" / "model")[0].state_dict())


def test_the_record_says_which_metric_chose_among_the_kept_epochs(
    pack: Pack, tmp_path: Path
) -> None:
    kept = {"eval_every": 3, "keep_checkpoints": 2, "select_by": "nll"}
    go(pack, tmp_path / "kept", TrainOptions.model_validate(OPTIONS.model_dump() | kept))
    sweep = json.loads((tmp_path / "kept/out/record/sweep.json").read_text())
    summary = json.loads((tmp_path / "kept/out/record/summary.json").read_text())
    history = pd.read_csv(tmp_path / "kept/out/record/history.csv")
    assert (sweep["select_by"], sweep["epochs"]) == ("nll", [1])
    assert history["val_nll"].isna().tolist() == [True, False, False]
    assert sweep["selected_epoch"] == summary["selected_epoch"] == history["val_nll"].idxmin()
    go(pack, tmp_path / "none")
    assert not (tmp_path / "none/out/record/sweep.json").exists()


def test_weights_that_are_read_back_with_one_bit_changed_are_refused(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flawed(folder: Path) -> tuple[torch.nn.Module, ModelCard]:
        network, card = load_model(folder)
        with torch.no_grad():
            weight = next(network.parameters())
            weight.view(torch.int32).flatten()[0] ^= 1
        return network, card

    monkeypatch.setattr(module, "load_model", flawed)
    with pytest.raises(TrainingError, match=r"1 of .* entries differ, such as conv1"):
        go(pack, tmp_path)


def test_rows_that_turn_on_another_device_are_no_fault_and_another_network_is(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.validate
    changes = {"accuracy": 0.9, "macro_f1": 0.9, "nll": 1.001}

    def elsewhere(*arguments: object) -> dict[str, float]:
        return {name: value * changes[name] for name, value in whole(*arguments).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(module, "validate", elsewhere)
    go(pack, tmp_path / "a")
    changes["nll"] = 1.3
    with pytest.raises(TrainingError, match="does not score what the selected epoch scored"):
        go(pack, tmp_path / "b")


def test_a_signal_while_the_val_rows_are_looked_at_keeps_that_epoch(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(pack, tmp_path / "whole")
    for number in (signal.SIGTERM, signal.SIGHUP):
        root = tmp_path / number.name
        with monkeypatch.context() as patch:
            patch.setattr(Student, "then", {1: partial(os.kill, os.getpid(), number)})
            with pytest.raises(SystemExit) as ended:
                go(pack, root)
        assert ended.value.code == 128 + number
        assert not (root / "out").exists()
        go(pack, root)
        assert all(
            torch.equal(tensor, weights(root)[name])
            for name, tensor in weights(tmp_path / "whole").items()
        )
        timing = (root / "out" / "log/timing.csv").read_text().splitlines()
        assert len(timing) == 1 + OPTIONS.epochs


def test_a_signal_that_nohup_has_ignored_stays_ignored(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr(Student, "then", {1: partial(os.kill, os.getpid(), signal.SIGHUP)})
        go(pack, tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert weights(tmp_path)


def test_a_run_whose_fer_run_is_gone_stops(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RUN_PROCESS", str(os.getpid()))
    monkeypatch.setattr(
        Student, "then", {0: partial(os.environ.update, FER_RUN_PROCESS="4194305")}
    )  # beyond the greatest number
    with pytest.raises(SystemExit) as ended:
        go(pack, tmp_path)
    assert ended.value.code == 128 + signal.SIGTERM


def test_a_full_device_is_an_error_that_says_what_to_change(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Student, "then", {1: full})
    with pytest.raises(ModelError, match=r"train\.accumulation"):
        go(pack, tmp_path)


def test_a_compiled_run_learns_the_same_under_a_name_of_its_own_and_says_so(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    with monkeypatch.context() as patch:
        patch.setattr(Student, "then", {1: partial(os.kill, os.getpid(), signal.SIGTERM)})
        with pytest.raises(SystemExit):
            go(pack, tmp_path)
    assert go(pack, tmp_path, compile=True).network._compiled_call_impl is not None
    assert "resumed" not in caplog.text, (
        "compiled code rounds in another way: it does not go on from what plain code left"
    )
    assert json.loads((tmp_path / "out" / "log/environment.json").read_text())["compiled"] is True
    go(pack, tmp_path / "plain")
    for name, tensor in weights(tmp_path / "plain").items():
        assert torch.allclose(tensor, weights(tmp_path)[name], atol=1e-4), name


def test_a_quick_trial_looks_at_some_val_rows_only(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVALUATED_AT_ONCE", 10)
    run = TrainingRun("student/ce-1", 1, pack, None, VIEWS, Settings(threads=1), CPU)
    few = OPTIONS.model_copy(update={"max_val_batches": 2})
    assert len(open_training_data(run, PREPROCESSING, few).val) == 20
    assert len(open_training_data(run, PREPROCESSING, OPTIONS).val) == 28
