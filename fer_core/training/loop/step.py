"""One optimiser step, top to bottom: forward and backward pass by pass, gradients summed over
processes, clipping, the optimiser, averaged weights.

In a group of processes each puts its share of every pass through the network. All see the outputs
of all rows, so that each has the loss of the whole pass; the gradients of the shares add up to that
loss's gradient, and every process takes the same step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_weight_decay  # type: ignore[attr-defined]
from timm.utils import ModelEmaV3  # type: ignore[attr-defined]
from torch import Tensor

from fer_core.base.errors import TrainingError
from fer_core.images.memory import on_device
from fer_core.models.devices import distributed
from fer_core.models.networks.inference import autocast
from fer_core.training.loop.layers import as_one_process, average_statistics
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import Batch, Pass, draw_mixture, passes
from fer_core.training.loop.task import Task

__all__ = ["Trainer"]

_MOMENTUM = 0.9


class Trainer:
    """Takes the optimiser steps of a run, and holds what is kept from one to the next: the
    optimiser's state, the scale of an fp16 loss, averaged weights.

    Args:
        task: network and loss; the network must be on `device`.
        options: of the training.
        seed: with epoch and step it decides what mixup mixes.
        device: of the network.
    """

    def __init__(self, task: Task, options: TrainOptions, seed: int, device: torch.device) -> None:
        self._task, self._options, self._seed, self._device = task, options, seed, device
        groups = param_groups_weight_decay(task.network, options.weight_decay)
        self._optimiser: torch.optim.Optimizer = (
            torch.optim.AdamW(groups, lr=options.lr, fused=True)
            if options.optimizer == "adamw"
            else torch.optim.SGD(groups, lr=options.lr, momentum=_MOMENTUM, nesterov=True)
        )
        self._scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
        self._average = ModelEmaV3(task.network, decay=options.ema) if options.ema else None
        self._averaged = 0  # steps that the average has seen

    def batch(self, rows: np.ndarray, labels: Tensor, epoch: int, step: int) -> Batch:
        """The batch of a step, with what mixup mixes; arguments as `Batch`'s."""
        alpha = self._options.mixup
        mixture = draw_mixture(rows, labels, alpha, self._seed, epoch, step) if alpha else None
        return Batch(rows, labels, epoch, step, mixture)

    def wanted(self, batch: Batch) -> np.ndarray:
        """Places in a batch whose images `step` wants, ascending: all, or in a group of processes
        those of this one's rows and of their partners.
        """
        if distributed.size() == 1:
            return np.arange(len(batch))
        own = np.concatenate(
            [np.arange(one.own.start, one.own.stop) for one in self._passes(batch)]
        )
        if batch.mixture is not None:
            own = np.concatenate([own, batch.mixture.partner.cpu().numpy()[own]])
        return np.unique(own)

    def step(self, batch: Batch, images: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """One optimiser step.

        Args:
            batch: of n rows.
            images: [len(wanted(batch)), 3, size, size].
            rate: learning rate.

        Returns:
            Mean loss of the batch and the number of rows whose highest logit is their label's (with
                mixup, the greater share's).
        """
        network, options, device = self._task.network, self._options, self._device
        for group in self._optimiser.param_groups:
            group["lr"] = rate

        # Forward and backward, pass by pass; the gradients of the passes add up to the batch's.
        places = np.zeros(len(batch), dtype=np.int64)  # place in the batch -> among the images
        places[self.wanted(batch)] = np.arange(len(images))
        current = self._passes(batch)
        parts = [batch.part(one.part) for one in current]
        masses = [part.mass(self._task.mass) for part in parts]
        loss_sum = torch.zeros((), device=device)
        right = torch.zeros((), device=device, dtype=torch.int64)
        for one, part, mass in zip(current, parts, masses, strict=True):
            own = _own_images(images, places, batch.part(one.own), one)
            with as_one_process(one, options.batch_norm_group), autocast(device, options.precision):
                outputs = self._task.outputs(own, batch.epoch)
                outputs = distributed.gather_rows(outputs, one.counts)
                loss, logits = self._task.loss(outputs, part)
            average_statistics(network, one.weight)
            loss = loss * (mass / sum(masses))
            self._scaler.scale(loss).backward()
            loss_sum += loss.detach()
            right += (logits.detach().argmax(1) == part.labels).sum()

        # The processes' shares of the gradients add up, and all take the same step.
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        distributed.sum_over_ranks(gradients)
        if options.grad_clip:
            self._scaler.unscale_(self._optimiser)
            torch.nn.utils.clip_grad_norm_(network.parameters(), options.grad_clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._optimiser.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.decay = min(options.ema, (1 + self._averaged) / (10 + self._averaged))
            self._average.update(network)
            self._averaged += 1
        return loss_sum, right

    def _passes(self, batch: Batch) -> list[Pass]:
        return passes(len(batch), self._options.micro_batch, self._options.batch_norm_group)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Context in which the network holds the weights that are evaluated: the averaged ones
        where they are kept.
        """
        if self._average is None:
            yield
            return
        network = self._task.network
        trained = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(self._average.module.state_dict())
        try:
            yield
        finally:
            network.load_state_dict(trained)

    def check_scale(self, epoch: int) -> None:
        """Stop when the gradients overflow at every scale of the loss: no step is taken then.

        Raises:
            TrainingError: they do.
        """
        if self._scaler.is_enabled() and (scale := self._scaler.get_scale()) < 1:
            raise TrainingError(
                "The gradients are not finite in fp16, however small the loss is scaled.",
                where=f"epoch {epoch}",
                found=f"scale {scale:g}",
                remedy="set precision: bf16 or fp32, or lower the learning rate",
            )

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs besides the network."""
        return {
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": None if self._average is None else self._average.module.state_dict(),
            "averaged": self._averaged,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._optimiser.load_state_dict(state["optimiser"])
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])
        if self._average is not None:
            self._average.module.load_state_dict(state["average"])
            self._averaged = state["averaged"]


def _own_images(images: Tensor, places: np.ndarray, own: Batch, one: Pass) -> Tensor:
    """Images of a pass that go through this process, each blended with its partner's where there is
    a mixture.
    """
    first = int(places[one.own.start])
    plain = images[first : first + len(own)]
    if own.mixture is None:
        return plain
    partners = on_device(places, images.device)[own.mixture.partner]
    return own.mixture.images(plain, images[partners])
