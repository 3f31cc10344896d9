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

from fer_core.data.bank import ImageBank
from fer_core.data.folds import OutOfFold
from fer_core.data.named_sets import TrainSet
from fer_core.data.pack import Pack
from fer_core.data.preprocessing import Preprocessing
from fer_core.data.views import ViewOptions
from fer_core.errors import TrainingError
from fer_core.learning.environment import environment
from fer_core.learning.loop import TrainingData, TrainingResult, train, validate
from fer_core.learning.options import TrainOptions
from fer_core.learning.record import write_record
from fer_core.learning.scratch import code_hash, open_scratch
from fer_core.learning.task import Task
from fer_core.models import distributed
from fer_core.models.card import ModelCard
from fer_core.models.saved import load_model, save_model
from fer_core.settings import Settings

__all__ = ["budget_of", "open_training_data", "run_training"]

log = logging.getLogger(__name__)


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
        DataError: the named set holds no train row.
    """
    train_rows = pack.rows.split("train") if train_set is None else train_set.rows(pack.rows.frame)
    val_rows = pack.rows.split("val")
    for name, rows in (("train", train_rows), ("val", val_rows)):
        if not len(rows):
            raise TrainingError(
                "A split is empty.", where=f"{name} rows of the pack", remedy="see data/validation.json and params manifest"
            )
    bank = ImageBank(pack, np.concatenate([train_rows, val_rows]), preprocessing, views, settings.cpu_threads(), device, settings.memory_gb)
    return TrainingData(bank=bank, labels=pack.rows.labels, train=train_rows, val=val_rows)


def budget_of(
    options: TrainOptions,
    init_sha256: str,
    rows_sha256: str,
    views_hash: str,
    train_rows: int,
    train_set: TrainSet | OutOfFold | None = None,
) -> dict[str, Any]:
    """What two runs must share before their results may be compared, and under `tuned` what is each one's own."""
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

    In a group of processes all train and the first one writes; how many there are is no part of the run's identity, so that a run may be
    interrupted with some and go on with others.

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
        compare: given the folder of the saved model, measures it beside another; kept in the record as `compare.json`.

    Raises:
        TrainingError: as `train`; or the model read back does not score what the selected epoch scored.
        GroupError: as `train`; or the processes have other params, code or data.
    """
    identity = _identity(card, seed, device)
    distributed.check_alike("params, code or data", identity)
    with open_scratch(settings.runs, stage, key, identity) as scratch:
        result = train(task, data, options, seed, scratch, device)
        task.network.load_state_dict(result.weights)
        card = replace(card, selected_epoch=result.selected_epoch, budget=card.budget | {"optimiser_steps": result.steps})
        saved = distributed.on_first(lambda: _save(out / "model", task, card))
        _check_read_back(out / "model", saved, task, result, data, options, device)
        distributed.on_first(lambda: _record(out, result, card.arch, device, compare))
        distributed.on_first(scratch.remove)
    log.info("%s %s: epoch %d of %d selected", stage, key, result.selected_epoch + 1, options.epochs)


def _save(folder: Path, task: Task, card: ModelCard) -> dict[str, Tensor]:
    """Save the model, and read back the weights."""
    save_model(folder, task.network, card)
    return dict(load_model(folder)[0].state_dict())


def _record(out: Path, result: TrainingResult, arch: str, device: torch.device, compare: Callable[[Path], dict[str, Any]] | None) -> None:
    write_record(out / "record", result, arch, environment(device), compare and compare(out / "model"))


def _identity(card: ModelCard, seed: int, device: torch.device) -> Mapping[str, Any]:
    return {
        "seed": seed,
        "arch": card.arch,
        "params": card.params,
        "budget": card.budget,
        "preprocessing": card.preprocessing.hash(),
        "rows": card.rows_sha256,
        "init": card.init_sha256,
        "targets": card.targets_sha256,
        "device": device.type,
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
    """The model on disk must score on val what the selected epoch scored: the right weights were saved, and whole."""
    task.network.load_state_dict(saved)
    scores = validate(task, data, result.selected_epoch, options.precision, device)
    expected = {name: result.history[result.selected_epoch][f"val_{name}"] for name in scores}
    for name, value in scores.items():
        if abs(value - expected[name]) > 1e-3 * max(1, abs(expected[name])):
            raise TrainingError(
                "The saved model does not score what the selected epoch scored.", where=folder, found=scores, expected=expected
            )
