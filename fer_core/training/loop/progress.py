"""What a training run has so far: its history, the weights that would be selected, and what an
interrupted run goes on from.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_core.models.devices import distributed
from fer_core.training.loop.batches import TrainingData
from fer_core.training.loop.interruption import Scratch
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.scores import validate
from fer_core.training.loop.step import Trainer
from fer_core.training.loop.task import Task

__all__ = [
    "Progress",
    "TrainingResult",
    "judge",
    "judge_kept",
    "record_of",
    "resumed",
    "state_of",
    "tell_of",
]

log = logging.getLogger(__name__)


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


@dataclass
class Progress:
    """What a run has so far, saved beside the states of network, optimiser and task.

    Attributes:
        history, timing: of `TrainingResult`.
        best: epoch, score and weights that would be selected now.
        kept: weights of the last epochs, to be scored when training has ended.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    timing: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] = field(
        default_factory=lambda: {"epoch": -1, "score": -np.inf, "weights": {}}
    )
    kept: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def result(self, steps: int) -> TrainingResult:
        """Outcome of a run of so many steps."""
        best = self.best
        return TrainingResult(
            self.history, self.timing, best["epoch"], best["weights"], steps, list(self.kept)
        )


def resumed(scratch: Scratch, task: Task, trainer: Trainer) -> Progress:
    """What an interrupted run had, with the states of all set to it; nothing for a fresh run."""
    state = distributed.on_first(scratch.load)
    if not state:
        return Progress()
    task.network.load_state_dict(state["network"])
    trainer.restore(state["optimiser"])
    task.restore(state["task"])
    progress = Progress(**{name: state[name] for name in ("history", "timing", "best", "kept")})
    log.info("resumed after epoch %d", len(progress.history))
    return progress


def state_of(task: Task, trainer: Trainer, progress: Progress) -> dict[str, Any]:
    """What a scratch folder keeps of a run after an epoch."""
    return {
        "network": task.network.state_dict(),
        "optimiser": trainer.state(),
        "task": task.state(),
        **vars(progress),
    }


def judge(
    task: Task,
    data: TrainingData,
    options: TrainOptions,
    epoch: int,
    progress: Progress,
    device: torch.device,
) -> dict[str, float]:
    """Scores of the val rows where they are due, else none; the weights are kept if they are the
    best so far, or of one of the last epochs.
    """
    if options.is_due(epoch, options.eval_every):
        scores = validate(task, data, epoch, options.precision, device)
        if task.selectable(epoch) and _score(scores, options) > progress.best["score"]:
            progress.best = _candidate(epoch, _score(scores, options), _weights(task.network))
        return scores
    if task.selectable(epoch) and epoch >= options.epochs - options.keep_checkpoints:
        progress.kept[epoch] = _weights(task.network)
    return {}


def judge_kept(
    task: Task,
    data: TrainingData,
    options: TrainOptions,
    progress: Progress,
    device: torch.device,
) -> None:
    """Score the epochs that were kept for the end."""
    for epoch, weights in progress.kept.items():
        task.network.load_state_dict(weights)
        scores = validate(task, data, epoch, options.precision, device)
        progress.history[epoch] |= _told(scores)
        score = _score(scores, options)
        if (score, -epoch) > (progress.best["score"], -progress.best["epoch"]):
            progress.best = _candidate(epoch, score, weights)


def record_of(
    task: Task, epoch: int, rate: float, learned: dict[str, float], scores: dict[str, float]
) -> dict[str, Any]:
    """What the history says of an epoch."""
    return {
        "epoch": epoch,
        "phase": task.phase(epoch),
        "view": task.view_of(epoch),
        "lr": rate,
        **task.schedule(epoch),
        **learned,
        **task.activity(),
        **_told(scores),
    }


def tell_of(progress: Progress, scores: dict[str, float], epochs: int) -> None:
    """Log the last epoch."""
    record, timing = progress.history[-1], progress.timing[-1]
    log.info(
        "epoch %d/%d %s: loss %.4f, val accuracy %.4f, val macro-F1 %.4f, %.0f images/s",
        record["epoch"] + 1,
        epochs,
        record["phase"],
        record["train_loss"],
        scores.get("accuracy", np.nan),
        scores.get("macro_f1", np.nan),
        timing["images"] / timing["seconds"],
    )


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
