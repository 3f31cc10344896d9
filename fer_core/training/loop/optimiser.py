"""One optimiser step and what it keeps between steps: AdamW, number format, micro-batches, mixup,
clipping, averaged weights.

In a group of processes each puts its share of every pass through the network. All see the outputs
of all rows, so that each has the loss of the whole pass; the gradients of the shares add up to that
loss's gradient, and every process takes the same step.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_weight_decay  # type: ignore[attr-defined]
from timm.utils import ModelEmaV3  # type: ignore[attr-defined]
from torch import Tensor

from fer_core.base.errors import TrainingError
from fer_core.images.transfer import on_device
from fer_core.models.devices import distributed
from fer_core.models.networks.precision import autocast
from fer_core.training.loop.batch_norm import GroupedBatchNorm
from fer_core.training.loop.mixup import Mixture, draw_mixture
from fer_core.training.loop.noise import WholePassNoise
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.passes import Pass, average_statistics, own_places, passes
from fer_core.training.loop.task import Task

__all__ = ["Optimiser"]


class Optimiser:
    """Trains the network of a task, batch by batch.

    Args:
        task: network and loss; the network must be on `device`.
        options: of the training.
        seed: with epoch and step it decides what mixup mixes.
        device: of the network.
    """

    def __init__(self, task: Task, options: TrainOptions, seed: int, device: torch.device) -> None:
        self._task, self._options, self._seed, self._device = task, options, seed, device
        self._adamw = torch.optim.AdamW(
            param_groups_weight_decay(task.network, options.weight_decay), lr=options.lr, fused=True
        )
        self._scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
        self._average = ModelEmaV3(task.network, decay=options.ema) if options.ema else None

    def wanted(self, rows: int, epoch: int, step: int) -> np.ndarray:
        """Places in a batch of some rows whose images `step` wants, ascending: all, or in a group
        of processes this one's part.
        """
        if distributed.size() == 1:
            return np.arange(rows)
        own = own_places(self._passes(rows))
        if self._options.mixup:
            labels = torch.zeros(rows, dtype=torch.int64)
            own = np.concatenate(
                [
                    own,
                    draw_mixture(
                        labels, self._options.mixup, self._seed, epoch, step
                    ).partner.numpy()[own],
                ]
            )
        return np.unique(own)

    def step(
        self, images: Tensor, rows: np.ndarray, labels: Tensor, epoch: int, step: int, rate: float
    ) -> tuple[Tensor, Tensor]:
        """One optimiser step on a batch.

        Args:
            images: [len(wanted(n)), 3, size, size].
            rows: row numbers [n] of the whole batch.
            labels: int64 [n].
            epoch, step: counted from 0; the step within the epoch.
            rate: learning rate.

        Returns:
            Mean loss of the batch and the number of rows whose highest logit is their label's (with
                mixup, the greater share's).
        """
        for group in self._adamw.param_groups:
            group["lr"] = rate
        mixture = (
            draw_mixture(labels, self._options.mixup, self._seed, epoch, step)
            if self._options.mixup
            else None
        )
        slots = np.zeros(len(rows), dtype=np.int64)  # place in the batch -> place among the images
        slots[self.wanted(len(rows), epoch, step)] = np.arange(len(images))
        loss, right = self._gradients(images, slots, rows, labels, mixture, epoch)
        distributed.sum_over_ranks(
            [weight.grad for weight in self._task.network.parameters() if weight.grad is not None]
        )
        if self._options.grad_clip:
            self._scaler.unscale_(self._adamw)
            torch.nn.utils.clip_grad_norm_(self._task.network.parameters(), self._options.grad_clip)
        self._scaler.step(self._adamw)
        self._scaler.update()
        self._adamw.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(self._task.network)
        return loss, right

    def _gradients(
        self,
        images: Tensor,
        slots: np.ndarray,
        rows: np.ndarray,
        labels: Tensor,
        mixture: Mixture | None,
        epoch: int,
    ) -> tuple[Tensor, Tensor]:
        """Gradients of the batch's mean loss, summed over its passes; that loss, and the rows that
        are right.
        """
        parts = self._passes(len(rows))
        mixtures = [None if mixture is None else mixture.of(one.part) for one in parts]
        masses = (
            [
                self._mass(labels[one.part], mixed)
                for one, mixed in zip(parts, mixtures, strict=True)
            ]
            if len(parts) > 1
            else [1.0]
        )
        loss_sum, right = (
            torch.zeros((), device=self._device),
            torch.zeros((), device=self._device, dtype=torch.int64),
        )
        for one, mixed, mass in zip(parts, mixtures, masses, strict=True):
            with self._layers(one), autocast(self._device, self._options.precision):
                outputs = self._task.outputs(_own_images(images, slots, one, mixture), epoch)
                outputs = distributed.gather_rows(outputs, one.counts)
                loss, logits = self._task.loss(
                    outputs, rows[one.part], labels[one.part], epoch, mixed
                )
            average_statistics(self._task.network, one.weight)
            if len(parts) > 1:
                loss = loss * (mass / sum(masses))
            self._scaler.scale(loss).backward()
            loss_sum += loss.detach()
            right += (logits.detach().argmax(1) == labels[one.part]).sum()
        return loss_sum, right

    def _passes(self, rows: int) -> list[Pass]:
        return passes(rows, self._options.micro_batch, self._options.batch_norm_group)

    @contextmanager
    def _layers(self, one: Pass) -> Iterator[None]:
        """Context in which layers do for a share of the pass what they would do for all of it in
        one process.
        """
        with ExitStack() as stack:
            if self._options.batch_norm_group:
                stack.enter_context(GroupedBatchNorm(self._options.batch_norm_group))
            if distributed.size() > 1:
                stack.enter_context(WholePassNoise(one))
            yield

    def _mass(self, labels: Tensor, mixture: Mixture | None) -> float | Tensor:
        return self._task.mass(labels) if mixture is None else mixture.mass(self._task.mass, labels)

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

    def check(self, epoch: int) -> None:
        """Refuse to go on when the gradients overflow at every scale of the loss, for then no step
        is taken.

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
            "adamw": self._adamw.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": None if self._average is None else self._average.module.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._adamw.load_state_dict(state["adamw"])
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])
        if self._average is not None:
            self._average.module.load_state_dict(state["average"])


def _own_images(images: Tensor, slots: np.ndarray, one: Pass, mixture: Mixture | None) -> Tensor:
    """Images of a pass that go through this process, each blended with its partner's where there is
    a mixture.
    """
    first = int(slots[one.own.start])
    own = images[first : first + one.own.stop - one.own.start]
    if mixture is None:
        return own
    mixture = mixture.of(one.own)
    return mixture.images(own, images[on_device(slots, images.device)[mixture.partner]])
