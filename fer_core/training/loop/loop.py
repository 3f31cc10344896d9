"""The training loop of teachers and students: schedule, resume, steps, evaluation, selection,
checkpoint.

In a group of processes every one runs this loop and keeps the same network, history and choice; the
first reads and writes the state.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fer_core.base.errors import TrainingError
from fer_core.base.labels import N_CLASSES
from fer_core.base.logs import progress_off
from fer_core.images.bank import ImageBank
from fer_core.images.transfer import on_device
from fer_core.models.devices import distributed
from fer_core.models.networks.precision import autocast
from fer_core.training.loop.interrupt import Interruption
from fer_core.training.loop.optimiser import Optimiser
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import check_split
from fer_core.training.loop.sampling import balanced_batches, shuffled_batches
from fer_core.training.loop.schedule import cosine_schedule
from fer_core.training.loop.scores import val_scores
from fer_core.training.loop.scratch import Scratch
from fer_core.training.loop.task import Task

__all__ = ["TrainingData", "TrainingResult", "check_feasible", "train", "validate"]

log = logging.getLogger(__name__)

_EVALUATION_BATCH = 256
_STEPS_BETWEEN_CHECKS = 50


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from and is selected on.

    Attributes:
        bank: images of the train and val rows.
        labels: int8, class of every row of the pack's half.
        train: row numbers to learn from.
        val: row numbers to select on.
    """

    bank: ImageBank
    labels: np.ndarray
    train: np.ndarray
    val: np.ndarray


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run.

    Attributes:
        history: one record an epoch; the same for the same run.
        timing: seconds and images of every epoch, evaluation included; they differ from run to run.
        selected_epoch: epoch with the highest val macro-F1 (the earlier one of equals), counted
            from 0.
        weights: state of the network after that epoch.
        steps: optimiser steps of the whole run.
    """

    history: list[dict[str, Any]]
    timing: list[dict[str, float]]
    selected_epoch: int
    weights: dict[str, Tensor]
    steps: int


def train(
    task: Task,
    data: TrainingData,
    options: TrainOptions,
    seed: int,
    scratch: Scratch,
    device: torch.device,
) -> TrainingResult:
    """Train a task from its network's present weights, or from where an interrupted run of the same
    scratch folder ended.

    Args:
        task: network and loss; the network must be on `device`.
        data: rows and images.
        options: epochs, batch, schedule and so on.
        seed: with the epoch number it decides order and dropout, so that a resumed run repeats an
            uninterrupted one.
        scratch: held for the run.
        device: of the network and the images.

    Raises:
        TrainingError: an empty set, a loss that is not finite, no epoch that may be selected, or
            batches that do not go into the processes.
        GroupError: another process of the group has ended, or holds another network.
        SystemExit: 128 + n after signal n.
    """
    if not len(data.train) or not len(data.val):
        raise TrainingError(
            "A set is empty.",
            where="train rows" if not len(data.train) else "val rows",
            remedy="see data/validation.json",
        )
    if not task.selectable(options.epochs - 1):
        raise TrainingError(
            "No epoch may be selected.",
            where="arcface.warmup_epochs",
            found=f"{options.epochs} epochs in all",
        )
    check_feasible(task.network, options, task.mixable)
    plan = _batch_plan(data, options, seed)
    counts = [len(plan(epoch)) for epoch in range(options.epochs)]
    rates = cosine_schedule(
        sum(counts), round(options.lr_warmup_epochs * counts[0]), options.lr, options.min_lr
    )
    task.network.to(device).to(memory_format=torch.channels_last)
    optimiser = Optimiser(task, options, seed, device)
    labels = torch.from_numpy(data.labels.astype(np.int64)).to(device)
    history: list[dict[str, Any]] = []
    timing: list[dict[str, float]] = []
    best: dict[str, Any] = {"epoch": -1, "score": -1.0, "weights": {}}
    if state := distributed.on_first(scratch.load):
        task.network.load_state_dict(state["network"])
        optimiser.restore(state["optimiser"])
        task.restore(state["task"])
        history, timing, best = state["history"], state["timing"], state["best"]
        log.info("resumed after epoch %d", len(history))
    _check_same(task.network)
    seen = np.zeros(len(data.labels), dtype=bool)
    for epoch in range(len(history)):
        seen[np.concatenate(plan(epoch))] = True

    with Interruption() as interruption, _progress(sum(counts[len(history) :])) as bar:
        for epoch in range(len(history), options.epochs):
            started = time.perf_counter()
            torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
            task.network.train()
            batches = plan(epoch)
            own = [
                rows[optimiser.wanted(len(rows), epoch, number)]
                for number, rows in enumerate(batches)
            ]
            data.bank.expect(own)
            truths = labels[on_device(np.concatenate(batches), device)].split(
                [len(rows) for rows in batches]
            )
            view, step = task.train_view(epoch), sum(counts[:epoch])
            loss_sum, right = (
                torch.zeros((), device=device),
                torch.zeros((), device=device, dtype=torch.int64),
            )
            for number, rows in enumerate(batches):
                images = data.bank.view(own[number], view)
                loss, found = optimiser.step(
                    images, rows, truths[number], epoch, number, float(rates[step + number])
                )
                loss_sum += loss * len(rows)
                right += found
                if number % _STEPS_BETWEEN_CHECKS == 0 or number == len(batches) - 1:
                    _check_finite(loss_sum, epoch, number)
                bar.update()
                interruption.check(len(history))
            optimiser.check(epoch)
            _check_same(task.network)
            trained = sum(map(len, batches))
            seen[np.concatenate(batches)] = True
            with optimiser.averaged():
                scores = validate(task, data, epoch, options.precision, device)
                if task.selectable(epoch) and scores["macro_f1"] > best["score"]:
                    weights = {
                        name: tensor.detach().cpu().clone()
                        for name, tensor in task.network.state_dict().items()
                    }
                    best = {"epoch": epoch, "score": scores["macro_f1"], "weights": weights}
            history.append(
                {
                    "epoch": epoch,
                    "phase": task.phase(epoch),
                    "view": view,
                    "lr": float(rates[step + len(batches) - 1]),
                    **task.schedule(epoch),
                    "train_loss": float(loss_sum) / trained,
                    "train_accuracy": int(right) / trained,
                    **task.activity(),
                    **{f"val_{name}": value for name, value in scores.items()},
                    "distinct_share": len(np.unique(np.concatenate(batches))) / len(data.train),
                    "seen_share": float(seen[data.train].mean()),
                }
            )
            timing.append({"seconds": time.perf_counter() - started, "images": trained})
            distributed.on_first(
                partial(
                    scratch.save,
                    {
                        "network": task.network.state_dict(),
                        "optimiser": optimiser.state(),
                        "task": task.state(),
                        "history": history,
                        "timing": timing,
                        "best": best,
                    },
                )
            )
            log.info(
                "epoch %d/%d %s: loss %.4f, val accuracy %.4f, val macro-F1 %.4f, %.0f images/s",
                *(
                    epoch + 1,
                    options.epochs,
                    history[-1]["phase"],
                    history[-1]["train_loss"],
                    scores["accuracy"],
                    scores["macro_f1"],
                ),
                trained / timing[-1]["seconds"],
            )
            interruption.check(len(history))
    return TrainingResult(history, timing, best["epoch"], best["weights"], sum(counts))


def check_feasible(network: nn.Module, options: TrainOptions, mixable: bool) -> None:
    """What can be refused before an image is decoded.

    Args:
        network: to be trained.
        options: of the training.
        mixable: whether the task's images may be mixed.

    Raises:
        TrainingError: mixup where it may not be, or batches that do not go into the processes.
    """
    if options.mixup and not mixable:
        raise TrainingError(
            "Mixup needs a loss of labels alone: stored targets are of plain images, and further "
            "terms know one label a row.",
            where="train.mixup",
            found=options.mixup,
            remedy="set mixup: 0, or train methods without targets and without further terms",
        )
    check_split(network, options)


def validate(
    task: Task, data: TrainingData, epoch: int, precision: str, device: torch.device
) -> dict[str, float]:
    """Accuracy, macro-F1 and NLL (nats) of the val rows' evaluation view."""
    task.network.eval()
    shares = distributed.deal(range(0, len(data.val), _EVALUATION_BATCH), len(data.val))
    rows = data.val[shares[distributed.rank()]]
    parts = [torch.empty(0, N_CLASSES, dtype=torch.float64, device=device)]
    with torch.inference_mode(), autocast(device, precision):
        batches = [
            rows[start : start + _EVALUATION_BATCH]
            for start in range(0, len(rows), _EVALUATION_BATCH)
        ]
        data.bank.expect(batches)
        for batch in batches:
            images = data.bank.view(batch, 0)
            parts.append(task.predict(images, epoch).double().softmax(1))
        found = distributed.gather_rows(
            torch.cat(parts).cpu(), [share.stop - share.start for share in shares]
        )
    probabilities, truth = found.numpy(), data.labels[data.val]
    if not np.isfinite(probabilities).all():
        raise TrainingError(
            "The network's output is not finite.",
            where=f"val rows after epoch {epoch}",
            remedy="lower the learning rate",
        )
    return val_scores(probabilities, truth)


def _batch_plan(
    data: TrainingData, options: TrainOptions, seed: int
) -> Callable[[int], list[np.ndarray]]:
    """The batches of an epoch, by epoch number."""
    if options.balance == "batches":
        truth = data.labels[data.train]
        return lambda epoch: balanced_batches(data.train, truth, options.batch, seed, epoch)
    return lambda epoch: shuffled_batches(data.train, options.batch, seed, epoch)


def _check_same(network: nn.Module) -> None:
    """All processes of a group must hold the same network, bit for bit: its tensors' sums and sums
    of squares say so.
    """
    if distributed.size() > 1:
        tensors = [
            tensor.detach().double()
            for tensor in network.state_dict().values()
            if tensor.is_floating_point()
        ]
        sums = torch.stack(
            [value for tensor in tensors for value in (tensor.sum(), tensor.square().sum())]
        )
        distributed.check_alike("the network's weights", sums.tolist())


def _check_finite(loss_sum: Tensor, epoch: int, step: int) -> None:
    if not torch.isfinite(loss_sum):
        raise TrainingError(
            "The loss is not finite.",
            where=f"epoch {epoch}, step {step} or shortly before",
            found=float(loss_sum),
            remedy="lower the learning rate",
        )


def _progress(steps: int) -> "tqdm[Any]":
    return tqdm(total=steps, desc="train", unit="step", leave=False, disable=progress_off())
