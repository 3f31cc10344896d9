"""One optimiser step and what it keeps between steps: AdamW, number format, micro-batches, mixup, clipping, averaged weights."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from timm.optim import param_groups_weight_decay  # type: ignore[attr-defined]
from timm.utils import ModelEmaV3  # type: ignore[attr-defined]
from torch import Tensor

from fer_core.errors import TrainingError
from fer_core.learning.batch_norm import GroupedBatchNorm
from fer_core.learning.mixup import Mixture, draw_mixture
from fer_core.learning.options import TrainOptions
from fer_core.learning.task import Task
from fer_core.models.precision import autocast

__all__ = ["Optimiser", "micro_batches"]


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
        self._adamw = torch.optim.AdamW(param_groups_weight_decay(task.network, options.weight_decay), lr=options.lr, fused=True)
        self._scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")
        self._average = ModelEmaV3(task.network, decay=options.ema) if options.ema else None

    def step(self, images: Tensor, rows: np.ndarray, labels: Tensor, epoch: int, step: int, rate: float) -> tuple[Tensor, Tensor]:
        """One optimiser step on a batch.

        Args:
            images: [n, 3, size, size].
            rows: their row numbers.
            labels: int64 [n].
            epoch, step: counted from 0; the step within the epoch.
            rate: learning rate.

        Returns:
            Mean loss of the batch and the number of rows whose highest logit is their label's (with mixup, the greater share's).
        """
        for group in self._adamw.param_groups:
            group["lr"] = rate
        mixture = draw_mixture(labels, self._options.mixup, self._seed, epoch, step) if self._options.mixup else None
        if mixture is not None:
            images = mixture.images(images)
        loss, right = self._gradients(images, rows, labels, mixture, epoch)
        if self._options.grad_clip:
            self._scaler.unscale_(self._adamw)
            torch.nn.utils.clip_grad_norm_(self._task.network.parameters(), self._options.grad_clip)
        self._scaler.step(self._adamw)
        self._scaler.update()
        self._adamw.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(self._task.network)
        return loss, right

    def _gradients(self, images: Tensor, rows: np.ndarray, labels: Tensor, mixture: Mixture | None, epoch: int) -> tuple[Tensor, Tensor]:
        """Gradients of the batch's mean loss, summed over its micro-batches; that loss, and the rows that are right."""
        parts = micro_batches(len(rows), self._options.micro_batch)
        mixtures = [None if mixture is None else mixture.of(part) for part in parts]
        masses = [self._mass(labels[part], mixed) for part, mixed in zip(parts, mixtures, strict=True)] if len(parts) > 1 else [1.0]
        loss_sum, right = torch.zeros((), device=self._device), torch.zeros((), device=self._device, dtype=torch.int64)
        for part, mixed, mass in zip(parts, mixtures, masses, strict=True):
            group = self._options.batch_norm_group
            with GroupedBatchNorm(group) if group else nullcontext(), autocast(self._device, self._options.precision):
                loss, logits = self._task.loss(images[part], rows[part], labels[part], epoch, mixed)
            if len(parts) > 1:
                loss = loss * (mass / sum(masses))
            self._scaler.scale(loss).backward()
            loss_sum += loss.detach()
            right += (logits.detach().argmax(1) == labels[part]).sum()
        return loss_sum, right

    def _mass(self, labels: Tensor, mixture: Mixture | None) -> float | Tensor:
        return self._task.mass(labels) if mixture is None else mixture.mass(self._task.mass, labels)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Context in which the network holds the weights that are evaluated: the averaged ones where they are kept."""
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
        """Refuse to go on when the gradients overflow at every scale of the loss, for then no step is taken.

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


def micro_batches(rows: int, size: int) -> list[slice]:
    """A batch in parts of `size` rows; a last part of one row, which has no batch statistics, is joined to the one before it."""
    starts = list(range(0, rows, size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], rows], strict=True)]
