"""A whole training run: from what a stage is told to the two outs `model/` and `record/`."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import timm
import torch
from torch import Tensor, nn

from fer_core.base import paths
from fer_core.base.errors import TrainingError
from fer_core.base.params import Params
from fer_core.base.settings import Settings, load_settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.models.devices import distributed
from fer_core.models.devices.device import compile_for_training, device_memory, prepare_device
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model, save_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.batches import TrainingData, check_rows
from fer_core.training.loop.footprint import check_memory
from fer_core.training.loop.interruption import code_hash, open_scratch
from fer_core.training.loop.loop import train
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.progress import TrainingResult
from fer_core.training.loop.record import environment, write_record
from fer_core.training.loop.scores import EVALUATED_AT_ONCE, validate
from fer_core.training.loop.task import Task

__all__ = ["Start", "TrainingRun", "describe", "open_run", "open_training_data", "run_training"]

log = logging.getLogger(__name__)

_NLL_MARGIN = 0.02


class TrainRows(Protocol):
    """The rows that a run learns from, where they are not all train rows."""

    def rows(self, frame: pd.DataFrame) -> np.ndarray:
        """Their numbers in the dev half, int64, ascending."""

    def to_dict(self) -> dict[str, Any]:
        """What decides them, as plain values."""


@dataclass(frozen=True)
class TrainingRun:
    """One run of a training stage: its name, the rows it learns from, and the machine's part.

    Attributes:
        name: stage and key within it, such as "student/kd-1".
        seed: of order, dropout and mixup.
        pack: the dev half.
        train_set: the rows to learn from; None for all train rows.
        views: strength of the augmentation.
        settings: of the machine.
        device: to train on.
    """

    name: str
    seed: int
    pack: Pack
    train_set: TrainRows | None
    views: ViewOptions
    settings: Settings
    device: torch.device


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    Attributes:
        arch: timm name.
        network: with the weights to start from.
        preprocessing: at the network's image size.
        sha256: hash of these weights' file.
    """

    arch: str
    network: nn.Module
    preprocessing: Preprocessing
    sha256: str


def open_run(params: Params, name: str, seed: int, train_set: TrainRows | None) -> TrainingRun:
    """Prepare the device and open what every training stage reads.

    Args:
        params: views are read here.
        name: of the run, "stage/key".
        seed: of the run.
        train_set: the rows to learn from; None for all train rows.

    Raises:
        ModelError, GroupError: as `prepare_device`.
    """
    settings = load_settings()
    return TrainingRun(
        name=name,
        seed=seed,
        pack=Pack.open(paths.DEV),
        train_set=train_set,
        views=params.section("views", ViewOptions),
        settings=settings,
        device=prepare_device(settings, params.section("cpu_threads", int, default=0)),
    )


def open_training_data(
    run: TrainingRun, preprocessing: Preprocessing, options: TrainOptions
) -> TrainingData:
    """Decode the train rows of a run and all val rows, or as many as the options want.

    Raises:
        TrainingError: there is no train or no val row.
        ModelError: the device has no memory left.
        DataError: the named set holds no train row.
    """
    rows, settings = run.pack.rows, run.settings
    train_rows = rows.split("train") if run.train_set is None else run.train_set.rows(rows.frame)
    val_rows = rows.split("val")[: options.max_val_batches * EVALUATED_AT_ONCE or None]
    check_rows(train_rows, val_rows)
    held = np.concatenate([train_rows, val_rows])
    threads, memory = settings.cpu_threads(), settings.memory_gb
    with device_memory():
        bank = ImageBank(run.pack, held, preprocessing, run.views, threads, run.device, memory)
    return TrainingData(bank, rows.labels, train_rows, val_rows)


def describe(
    run: TrainingRun,
    start: Start,
    data: TrainingData,
    options: TrainOptions,
    params: Mapping[str, Any],
    targets_sha256: str | None = None,
) -> ModelCard:
    """The card of the model that a run will make; `run_training` fills in its epoch and steps.

    Its budget is what two runs must share before their results may be compared, and under `tuned`
    what is each one's own.

    Args:
        run, start, data, options: of the training.
        params: what else decides the result, as JSON values.
        targets_sha256: hash of the soft labels; None without any.
    """
    teacher = start.network if isinstance(start.network, ArcFaceNetwork) else None
    schedule = options.model_dump(mode="json")
    tuned = {"lr": schedule.pop("lr")}
    return ModelCard(
        kind="student" if teacher is None else "teacher",
        arch=start.arch,
        head="linear" if teacher is None else "arcface" if teacher.angular else "plain",
        embed_dim=None if teacher is None else teacher.embed_dim,
        dropout=None if teacher is None else teacher.dropout,
        scale=None if teacher is None else teacher.scale,
        preprocessing=start.preprocessing,
        rows_sha256=run.pack.rows.sha256,
        init_sha256=start.sha256,
        targets_sha256=targets_sha256,
        selected_epoch=-1,
        budget={
            "init_sha256": start.sha256,
            "rows_sha256": run.pack.rows.sha256,
            "views_hash": run.views.hash(),
            "train_set": None if run.train_set is None else run.train_set.to_dict(),
            "train_rows": len(data.train),
            "schedule": schedule,
            "tuned": tuned,
        },
        params={"seed": run.seed, **params, "views": run.views.to_dict()},
        key=run.name.partition("/")[2],
    )


def run_training(
    run: TrainingRun,
    out: Path,
    task: Task,
    card: ModelCard,
    data: TrainingData,
    options: TrainOptions,
    compare: Callable[[Path], dict[str, Any]] | None = None,
) -> None:
    """Train (or go on with) a run, save the selected weights, read them back, and write the record.

    In a group of processes all train and the first one writes; how many there are is no part of the
    run's identity, so that a run may be interrupted with some and go on with others.

    Args:
        run: its name, seed and machine.
        out: folder of the outs `model/` and `record/`.
        task: network, loss and views.
        card: of `describe`.
        data: rows and images.
        options: of the training.
        compare: given the folder of the saved model, measures it beside another; kept in the record
            as `compare.json`.

    Raises:
        TrainingError: as `train`; or the model read back is not the selected epoch's.
        ModelError: the device has not enough memory, or none left.
        GroupError: as `train`; or the processes have other params, code or data.
    """
    device = run.device
    check_memory(task.network, card.preprocessing.size, options, device)
    compiled = run.settings.compile and compile_for_training(task.network, options.batch_norm_group)
    identity = _identity(card, run.seed, f"{device.type}, compiled" if compiled else device.type)
    distributed.check_alike("params, code or data", identity)
    with open_scratch(run.settings.runs / run.name, identity) as scratch, device_memory():
        result = train(task, data, options, run.seed, scratch, device)
        task.network.load_state_dict(result.weights)
        card = replace(
            card,
            selected_epoch=result.selected_epoch,
            budget=card.budget | {"optimiser_steps": result.steps},
        )
        saved = distributed.on_first(lambda: _save(out / "model", task, card))
        _check_weights(out / "model", saved, result)
        task.network.load_state_dict(saved)
        scores = validate(task, data, result.selected_epoch, options.precision, device)
        _check_scores(out / "model", scores, result)
        distributed.on_first(
            lambda: write_record(
                out,
                result,
                card.arch,
                environment(device, compiled),
                compare and compare(out / "model"),
                options.select_by if options.keep_checkpoints else None,
            )
        )
        distributed.on_first(scratch.remove)
    log.info(
        "%s: epoch %d of %d selected",
        run.name.replace("/", " "),
        result.selected_epoch + 1,
        options.epochs,
    )


def _save(folder: Path, task: Task, card: ModelCard) -> dict[str, Tensor]:
    """Save the model, and read back the weights."""
    save_model(folder, task.network, card)
    return dict(load_model(folder)[0].state_dict())


def _identity(card: ModelCard, seed: int, device: str) -> Mapping[str, Any]:
    return {
        "seed": seed,
        "arch": card.arch,
        "head": [card.head, card.embed_dim, card.dropout],
        "params": card.params,
        "budget": card.budget,
        "preprocessing": card.preprocessing.hash(),
        "rows": card.rows_sha256,
        "init": card.init_sha256,
        "targets": card.targets_sha256,
        "device": device,
        "versions": [torch.__version__, timm.__version__],
        "code": code_hash(),
    }


def _check_weights(folder: Path, saved: dict[str, Tensor], result: TrainingResult) -> None:
    """The model on disk must be the selected epoch's, bit for bit."""
    if wrong := [
        name
        for name in result.weights.keys() | saved.keys()
        if not _same(result.weights.get(name), saved.get(name))
    ]:
        raise TrainingError(
            "The saved model does not hold the weights of the selected epoch.",
            where=folder,
            found=f"{len(wrong)} of {len(result.weights)} entries differ, such as {min(wrong)}",
            remedy="run again: training is not repeated; if it happens again, see whether disk and "
            "memory are sound",
        )


def _check_scores(folder: Path, scores: dict[str, float], result: TrainingResult) -> None:
    """The model read back must score what the selected epoch scored.

    The score is compared by NLL and with a margin: on a GPU, or on another one than before an
    interruption, a logit may differ by rounding, and one row of a rare class that turns moves
    macro-F1 by much more than that.
    """
    expected = {name: result.history[result.selected_epoch][f"val_{name}"] for name in scores}
    if abs(scores["nll"] - expected["nll"]) > _NLL_MARGIN * max(1, expected["nll"]):
        raise TrainingError(
            "The saved model does not score what the selected epoch scored.",
            where=folder,
            found=scores,
            expected=expected,
        )


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.dtype == other.dtype
        and torch.equal(one, other)
    )
