"""The training loop of teachers and students, in the order in which things happen: draw the batches
of an epoch, take a step on each, evaluate the val rows, keep the weights if they are the best so
far, save the state.

In a group of processes every one runs this loop and keeps the same network, history and choice; the
first reads and writes the state.
"""

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fer_core.base.errors import TrainingError
from fer_core.base.logs import progress_off
from fer_core.images.memory import on_device
from fer_core.models.devices import distributed
from fer_core.training.loop.batches import TrainingData, batches_of, check_rows, learning_rates
from fer_core.training.loop.frozen import freeze, hold_frozen
from fer_core.training.loop.interruption import Scratch, interruption
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import check_feasible
from fer_core.training.loop.scores import validate
from fer_core.training.loop.step import Trainer
from fer_core.training.loop.task import Task

__all__ = ["TrainingResult", "train"]

log = logging.getLogger(__name__)

_STEPS_BETWEEN_CHECKS = 50


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run.

    Attributes:
        history: one record an epoch; the same for the same run.
        timing: seconds and images of every epoch, evaluation included; they differ from run to run.
        selected_epoch: epoch that is best on val rows in what `select_by` names (the earlier one of
            equals), counted from 0.
        weights: state of the network after that epoch.
        steps: optimiser steps of the whole run.
        swept: epochs that were scored only when training had ended.
    """

    history: list[dict[str, Any]]
    timing: list[dict[str, float]]
    selected_epoch: int
    weights: dict[str, Tensor]
    steps: int
    swept: list[int] = field(default_factory=list)


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
        task: network and loss.
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
    _check_trainable(task, data, options)
    freeze(task.network, options.trainable)
    plan = partial(batches_of, data, options, seed)
    counts = [len(plan(epoch)) for epoch in range(options.epochs)]
    warmup = round(options.lr_warmup_epochs * counts[0])
    rates = learning_rates(sum(counts), warmup, options.lr, options.min_lr, options.schedule)
    network = task.network.to(device).to(memory_format=torch.channels_last)
    trainer = Trainer(task, options, seed, device)
    labels = torch.from_numpy(data.labels.astype(np.int64)).to(device)
    history: list[dict[str, Any]] = []
    timing: list[dict[str, float]] = []
    best: dict[str, Any] = {"epoch": -1, "score": -np.inf, "weights": {}}
    kept: dict[int, dict[str, Tensor]] = {}

    if state := distributed.on_first(scratch.load):
        network.load_state_dict(state["network"])
        trainer.restore(state["optimiser"])
        task.restore(state["task"])
        history, timing, best, kept = (
            state[name] for name in ("history", "timing", "best", "kept")
        )
        log.info("resumed after epoch %d", len(history))
    _check_same(network)
    seen = np.zeros(len(data.labels), dtype=bool)
    for epoch in range(len(history)):
        seen[np.concatenate(plan(epoch))] = True

    saved, left = len(history), sum(counts[len(history) :])
    with (
        interruption() as stop_if_asked,
        tqdm(total=left, desc="train", unit="step", leave=False, disable=progress_off()) as bar,
    ):
        for epoch in range(len(history), options.epochs):
            # Order and noise follow from seed and epoch alone; threads prepare the images ahead.
            started = time.perf_counter()
            torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
            network.train()
            hold_frozen(network, options.trainable)
            of_steps = plan(epoch)
            rows = np.concatenate(of_steps)
            truths = labels[on_device(rows, device)].split([len(some) for some in of_steps])
            batches = [
                trainer.batch(some, truth, epoch, step)
                for step, (some, truth) in enumerate(zip(of_steps, truths, strict=True))
            ]
            wanted = [batch.rows[trainer.wanted(batch)] for batch in batches]
            data.bank.expect(wanted)
            view, first = task.view_of(epoch), sum(counts[:epoch])

            loss_sum = torch.zeros((), device=device)
            right = torch.zeros((), device=device, dtype=torch.int64)
            for batch, own in zip(batches, wanted, strict=True):
                images = data.bank.view(own, view)
                loss, found = trainer.step(batch, images, float(rates[first + batch.step]))
                loss_sum += loss * len(batch)
                right += found
                if batch.step % _STEPS_BETWEEN_CHECKS == 0 or batch is batches[-1]:
                    _check_finite(loss_sum, epoch, batch.step)
                bar.update()
                stop_if_asked(saved)
            trainer.check_scale(epoch)
            _check_same(network)
            seen[rows] = True

            scores: dict[str, float] = {}
            with trainer.averaged():
                if options.is_due(epoch, options.eval_every):
                    scores = validate(task, data, epoch, options.precision, device)
                    if task.selectable(epoch) and _score(scores, options) > best["score"]:
                        best = _candidate(epoch, _score(scores, options), _weights(network))
                elif task.selectable(epoch) and epoch >= options.epochs - options.keep_checkpoints:
                    kept[epoch] = _weights(network)

            history.append(
                {
                    "epoch": epoch,
                    "phase": task.phase(epoch),
                    "view": view,
                    "lr": float(rates[first + len(batches) - 1]),
                    **task.schedule(epoch),
                    "train_loss": float(loss_sum) / len(rows),
                    "train_accuracy": int(right) / len(rows),
                    **task.activity(),
                    **_told(scores),
                    "distinct_share": len(np.unique(rows)) / len(data.train),
                    "seen_share": float(seen[data.train].mean()),
                }
            )
            timing.append({"seconds": time.perf_counter() - started, "images": len(rows)})
            state = {
                "network": network.state_dict(),
                "optimiser": trainer.state(),
                "task": task.state(),
                "history": history,
                "timing": timing,
                "best": best,
                "kept": kept,
            }
            if options.is_due(epoch, options.checkpoint_every):
                distributed.on_first(partial(scratch.save, state))
                saved = len(history)
            log.info(
                "epoch %d/%d %s: loss %.4f, val accuracy %.4f, val macro-F1 %.4f, %.0f images/s",
                epoch + 1,
                options.epochs,
                history[-1]["phase"],
                history[-1]["train_loss"],
                scores.get("accuracy", np.nan),
                scores.get("macro_f1", np.nan),
                len(rows) / timing[-1]["seconds"],
            )
            stop_if_asked(saved)
    for epoch, weights in kept.items():
        network.load_state_dict(weights)
        scores = validate(task, data, epoch, options.precision, device)
        history[epoch] |= _told(scores)
        score = _score(scores, options)
        if (score, -epoch) > (best["score"], -best["epoch"]):
            best = _candidate(epoch, score, weights)
    return TrainingResult(history, timing, best["epoch"], best["weights"], sum(counts), list(kept))


def _weights(network: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's state."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}


def _score(scores: dict[str, float], options: TrainOptions) -> float:
    """What the selected epoch has most of."""
    return -scores["nll"] if options.select_by == "nll" else scores[options.select_by]


def _candidate(epoch: int, score: float, weights: dict[str, Tensor]) -> dict[str, Any]:
    return {"epoch": epoch, "score": score, "weights": weights}


def _told(scores: dict[str, float]) -> dict[str, float]:
    """Scores of val rows by the names that they have in the history."""
    return {f"val_{name}": value for name, value in scores.items()}


def _check_trainable(task: Task, data: TrainingData, options: TrainOptions) -> None:
    check_rows(data.train, data.val)
    if not task.selectable(options.epochs - 1):
        raise TrainingError(
            "No epoch may be selected.",
            where="arcface.warmup_epochs",
            found=f"{options.epochs} epochs in all",
        )
    check_feasible(task.network, options, task.mixable)


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
