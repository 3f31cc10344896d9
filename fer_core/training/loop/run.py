"""A whole training run: from opened inputs to the two outs `model/` and `record/`."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor

from fer_core.base.errors import TrainingError
from fer_core.base.settings import Settings
from fer_core.dataset.pack.folds import OutOfFold
from fer_core.dataset.pack.named_sets import TrainSet
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import ViewOptions
from fer_core.models.devices import distributed
from fer_core.models.devices.compiled import compile_for_training
from fer_core.models.devices.device import device_memory
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import load_model, save_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.environment import environment
from fer_core.training.loop.loop import TrainingData, TrainingResult, train, validate
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.record import write_record
from fer_core.training.loop.scratch import code_hash, open_scratch
from fer_core.training.loop.task import Task

__all__ = ["budget_of", "open_training_data", "run_training"]

log = logging.getLogger(__name__)

_NLL_MARGIN = 0.02


def open_training_data(
    pack: Pack,
    preprocessing: Preprocessing,
    views: ViewOptions,
    settings: Settings,
    device: torch.device,
    train_set: TrainSet | OutOfFold | None = None,
) -> TrainingData:
    """Decode the train rows of a pack's dev half, or those of a set, and all of its val rows.

    Raises:
        TrainingError: there is no train or no val row.
        ModelError: the device has no memory left.
        DataError: the named set holds no train row.
    """
    train_rows = pack.rows.split("train") if train_set is None else train_set.rows(pack.rows.frame)
    val_rows = pack.rows.split("val")
    for name, rows in (("train", train_rows), ("val", val_rows)):
        if not len(rows):
            raise TrainingError(
                "A split is empty.",
                where=f"{name} rows of the pack",
                remedy="see data/validation.json and params manifest",
            )
    held = np.concatenate([train_rows, val_rows])
    with device_memory():
        bank = ImageBank(
            pack, held, preprocessing, views, settings.cpu_threads(), device, settings.memory_gb
        )
    return TrainingData(bank=bank, labels=pack.rows.labels, train=train_rows, val=val_rows)


def budget_of(
    options: TrainOptions,
    init_sha256: str,
    rows_sha256: str,
    views_hash: str,
    train_rows: int,
    train_set: TrainSet | OutOfFold | None = None,
) -> dict[str, Any]:
    """What two runs must share before their results may be compared, and under `tuned` what is each
    one's own.
    """
    schedule = options.model_dump(mode="json")
    tuned = {"lr": schedule.pop("lr")}
    return {
        "init_sha256": init_sha256,
        "rows_sha256": rows_sha256,
        "views_hash": views_hash,
        "train_set": None if train_set is None else train_set.to_dict(),
        "train_rows": train_rows,
        "schedule": schedule,
        "tuned": tuned,
    }


def run_training(
    out: Path,
    stage: str,
    key: str,
    task: Task,
    card: ModelCard,
    data: TrainingData,
    options: TrainOptions,
    seed: int,
    settings: Settings,
    device: torch.device,
    compare: Callable[[Path], dict[str, Any]] | None = None,
) -> None:
    """Train (or go on with) a run, save the selected weights, read them back, and write the record.

    In a group of processes all train and the first one writes; how many there are is no part of the
    run's identity, so that a run may be interrupted with some and go on with others.

    Args:
        out: folder of the outs `model/` and `record/`.
        stage: name of the stage.
        key: name of the run within the stage.
        task: network, loss and views.
        card: describes the model; `selected_epoch` and the optimiser steps are filled in here.
        data: rows and images.
        options: of the training.
        seed: of order and dropout.
        settings: machine settings.
        device: to train on.
        compare: given the folder of the saved model, measures it beside another; kept in the record
            as `compare.json`.

    Raises:
        TrainingError: as `train`; or the model read back is not the selected epoch's.
        ModelError: the device has no memory left.
        GroupError: as `train`; or the processes have other params, code or data.
    """
    compiled = settings.compile and compile_for_training(task.network, options.batch_norm_group)
    identity = _identity(card, seed, f"{device.type}, compiled" if compiled else device.type)
    distributed.check_alike("params, code or data", identity)
    with open_scratch(settings.runs, stage, key, identity) as scratch, device_memory():
        result = train(task, data, options, seed, scratch, device)
        task.network.load_state_dict(result.weights)
        card = replace(
            card,
            selected_epoch=result.selected_epoch,
            budget=card.budget | {"optimiser_steps": result.steps},
        )
        saved = distributed.on_first(lambda: _save(out / "model", task, card))
        _check_read_back(out / "model", saved, task, result, data, options, device)
        distributed.on_first(
            lambda: write_record(
                out / "record",
                result,
                card.arch,
                environment(device, compiled),
                compare and compare(out / "model"),
            )
        )
        distributed.on_first(scratch.remove)
    log.info(
        "%s %s: epoch %d of %d selected", stage, key, result.selected_epoch + 1, options.epochs
    )


def _save(folder: Path, task: Task, card: ModelCard) -> dict[str, Tensor]:
    """Save the model, and read back the weights."""
    save_model(folder, task.network, card)
    return dict(load_model(folder)[0].state_dict())


def _identity(card: ModelCard, seed: int, device: str) -> Mapping[str, Any]:
    return {
        "seed": seed,
        "arch": card.arch,
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


def _check_read_back(
    folder: Path,
    saved: dict[str, Tensor],
    task: Task,
    result: TrainingResult,
    data: TrainingData,
    options: TrainOptions,
    device: torch.device,
) -> None:
    """The model on disk must be the selected epoch's, bit for bit, and score what that one scored.

    The score is compared by NLL and with a margin: on a GPU, or on another one than before an
    interruption, a logit may differ by rounding, and one row of a rare class that turns moves
    macro-F1 by much more than that.
    """
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
    task.network.load_state_dict(saved)
    scores = validate(task, data, result.selected_epoch, options.precision, device)
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
