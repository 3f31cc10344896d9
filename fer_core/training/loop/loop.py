"""The training loop of teachers and students, in the order in which things happen: draw the batches
of an epoch, take a step on each, evaluate the val rows, keep the weights if they are the best so
far, save the state.

In a group of processes every one runs this loop and keeps the same network, history and choice; the
first reads and writes the state.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fer_core.base.errors import TrainingError
from fer_core.base.logs import progress_off
from fer_core.images.bank import ImageBank
from fer_core.images.memory import on_device
from fer_core.models.devices import distributed
from fer_core.models.networks.layout import to_channels_last
from fer_core.training.loop.batches import TrainingData, batches_of, check_rows, learning_rates
from fer_core.training.loop.frozen import freeze, hold_frozen
from fer_core.training.loop.interruption import Scratch, interruption
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import Batch, check_feasible
from fer_core.training.loop.progress import (
    TrainingResult,
    judge,
    judge_kept,
    record_of,
    resumed,
    state_of,
    tell_of,
)
from fer_core.training.loop.step import Trainer
from fer_core.training.loop.task import Task

__all__ = ["train"]

_STEPS_BETWEEN_CHECKS = 50


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
    rates = _rates(counts, options)
    network = to_channels_last(task.network, device)
    trainer = Trainer(task, options, seed, device)
    labels = torch.from_numpy(data.labels.astype(np.int64)).to(device)
    progress = resumed(scratch, task, trainer)
    _check_same(network)
    saved = len(progress.history)
    seen = np.zeros(len(data.labels), dtype=bool)
    for epoch in range(saved):
        seen[np.concatenate(plan(epoch))] = True
    left = sum(counts[saved:])
    with (
        interruption() as stop_if_asked,
        tqdm(total=left, desc="train", unit="step", leave=False, disable=progress_off()) as bar,
    ):

        def step_taken() -> None:
            bar.update()
            stop_if_asked(saved)

        for epoch in range(saved, options.epochs):
            started = time.perf_counter()
            _begin(network, options, seed, epoch)
            steps = plan(epoch)
            rows = np.concatenate(steps)
            batches = _batches(trainer, steps, labels, epoch)
            view, of_steps = task.view_of(epoch), rates[sum(counts[:epoch]) :][: len(steps)]
            learned = _pass(trainer, data.bank, batches, view, of_steps, step_taken)
            trainer.check_scale(epoch)
            _check_same(network)
            seen[rows] = True

            with trainer.averaged():
                scores = judge(task, data, options, epoch, progress, device)

            record = record_of(task, epoch, float(of_steps[-1]), learned, scores)
            progress.history.append(record | _shares(rows, seen, data.train))
            seconds = time.perf_counter() - started
            progress.timing.append({"seconds": seconds, "images": len(rows)})
            state = state_of(task, trainer, progress)
            if options.is_due(epoch, options.checkpoint_every):
                distributed.on_first(partial(scratch.save, state))
                saved = len(progress.history)
            tell_of(progress, scores, options.epochs)
            stop_if_asked(saved)
    judge_kept(task, data, options, progress, device)
    return progress.result(sum(counts))


def _rates(counts: list[int], options: TrainOptions) -> np.ndarray:
    """The learning rate of every step of the run, of so many steps in each epoch."""
    warmup = round(options.lr_warmup_epochs * counts[0])
    return learning_rates(sum(counts), warmup, options.lr, options.min_lr, options.schedule)


def _begin(network: nn.Module, options: TrainOptions, seed: int, epoch: int) -> None:
    """Make a network ready for an epoch, whose order and noise follow from seed and epoch alone."""
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
    network.train()
    hold_frozen(network, options.trainable)


def _batches(
    trainer: Trainer, of_steps: list[np.ndarray], labels: Tensor, epoch: int
) -> list[Batch]:
    """The batches of an epoch: rows, their labels on the device, and what mixup mixes."""
    rows = on_device(np.concatenate(of_steps), labels.device)
    truths = labels[rows].split([len(some) for some in of_steps])
    return [
        trainer.batch(some, truth, epoch, step)
        for step, (some, truth) in enumerate(zip(of_steps, truths, strict=True))
    ]


def _pass(
    trainer: Trainer,
    bank: ImageBank,
    batches: Sequence[Batch],
    view: int,
    rates: np.ndarray,
    step_taken: Callable[[], None],
) -> dict[str, float]:
    """Take a step on each batch of an epoch; threads prepare the images ahead.

    Args:
        trainer: takes the steps.
        bank: of the images.
        batches: of the epoch.
        view: of the images.
        rates: learning rate of each step.
        step_taken: is called after each step.

    Returns:
        Mean loss of the rows, and the share of them that the network got right.
    """
    wanted = [batch.rows[trainer.wanted(batch)] for batch in batches]
    bank.expect(wanted)
    loss_sum = torch.zeros((), device=batches[0].labels.device)
    right = torch.zeros((), device=loss_sum.device, dtype=torch.int64)
    for batch, own in zip(batches, wanted, strict=True):
        images = bank.view(own, view)
        loss, found = trainer.step(batch, images, float(rates[batch.step]))
        loss_sum += loss * len(batch)
        right += found
        if batch.step % _STEPS_BETWEEN_CHECKS == 0 or batch is batches[-1]:
            _check_finite(loss_sum, batch.epoch, batch.step)
        step_taken()
    rows = sum(map(len, batches))
    return {"train_loss": float(loss_sum) / rows, "train_accuracy": int(right) / rows}


def _shares(rows: np.ndarray, seen: np.ndarray, train: np.ndarray) -> dict[str, float]:
    """Shares of the train rows: those in this epoch, and those in any until now."""
    return {
        "distinct_share": len(np.unique(rows)) / len(train),
        "seen_share": float(seen[train].mean()),
    }


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
