"""The term of negative learning of a run: which rows, which wrong class, which weight."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fer_core.base.errors import ParamsError, TrainingError
from fer_core.images.memory import on_device
from fer_core.training.loop.passes import Batch
from fer_core.training.students.negative_gate import NegativeGate
from fer_core.training.students.negl import (
    NegLOptions,
    confusion,
    draw_negatives,
    least_probable,
    negative_loss,
    normalised_entropy,
    teacher_probabilities,
    uniforms,
)

__all__ = ["Negatives"]


class Negatives:
    """Draws wrong classes for the rows that the options choose.

    Args:
        options: entry `negl`.
        labels: int8, class of every row of the pack's half.
        train: row numbers that are learnt from.
        targets: teacher logits [rows, K + 1, 7] by row number and view, or None.
        seed: of the run.
        epochs: of the run.

    Raises:
        ParamsError: negatives guided by a teacher, and a method without targets.
    """

    def __init__(
        self,
        options: NegLOptions,
        labels: np.ndarray,
        train: np.ndarray,
        targets: Tensor | None,
        seed: int,
        epochs: int,
    ) -> None:
        self._options, self._seed, self._epochs = options, seed, epochs
        self._rows = len(labels)
        self._ratios = torch.tensor(options.ratios())
        self._drawn: tuple[int, Tensor] | None = None
        self._gate: NegativeGate | None = None
        self._state: dict[str, Any] = {}
        self._confusion: Tensor | None = None
        if options.guided and targets is None:
            raise ParamsError(
                "Negatives can be guided by a teacher only where there are targets.",
                where="negl.negatives of a method without targets",
                found=options.negatives,
                expected="uniform, least, or a method such as kd",
            )
        if options.negatives == "confusion" and targets is not None:
            places = torch.from_numpy(train).to(targets.device)
            truth = torch.from_numpy(labels[train].astype(np.int64)).to(targets.device)
            self._confusion = confusion(targets[places, 0], truth, options.top, options.min_support)

    def loss(
        self, logits: Tensor, targets: Tensor | None, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The term of a batch (without its weight), and what it did: `negl_applied` and
        `negl_entropy` of each row, `negl_gate` where there is one, and `negl_loss`.

        Args:
            logits: student's, float32 [N, C].
            targets: teacher's logits of the same views, or None.
            batch: the same rows.
        """
        drawn = self._numbers(batch, logits.device)
        entropy = normalised_entropy(logits.detach())
        applied = (drawn[:, 0] < self._share(batch.labels)) & (entropy >= self._options.min_entropy)
        if self._options.max_confidence < 1:
            confidence = logits.detach().softmax(dim=1).amax(dim=1)
            applied &= confidence <= self._options.max_confidence
        losses = negative_loss(logits, self._wrong(logits, targets, batch.labels, drawn[:, 1]))
        if self._options.gate == "none":
            total = (losses * applied).sum() / applied.sum().clamp(min=1)
            return total, {
                "negl_applied": applied,
                "negl_entropy": entropy,
                "negl_loss": total.detach(),
            }
        gate = self._learnt(logits.device).weights(
            logits, batch.epoch / self._epochs, (batch.epoch, batch.step)
        )
        total = (losses * applied * gate).sum() / applied.sum().clamp(min=1)
        gate = gate.detach()
        return total, {
            "negl_applied": applied * gate,
            "negl_entropy": entropy,
            "negl_gate": gate,
            "negl_loss": total.detach(),
        }

    def check(self, applied: float, loss: float) -> None:
        """Stop a run in which the term has died, or has run away.

        Raises:
            TrainingError: the share of rows that it works on is below `least_applied`, or its mean
                loss is above `most_loss`.
        """
        most = self._options.most_loss
        if most is not None and not loss <= most:
            raise TrainingError(
                "Negative learning runs away.",
                where="negl",
                found=f"a mean loss of {loss:.4g} in an epoch",
                expected=f"at most {most:g} (negl.most_loss)",
                remedy="a smaller negl.weight, or a smaller student.train.lr",
            )
        if applied < self._options.least_applied:
            raise TrainingError(
                "Negative learning no longer does anything.",
                where="negl",
                found=f"{applied:.4f} of the rows of an epoch",
                expected=f"at least {self._options.least_applied} (negl.least_applied)",
                remedy="lower negl.min_entropy, raise negl.max_confidence, or gate: none",
            )

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {} if self._gate is None else {"gate": self._gate.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        self._state = state

    def _numbers(self, batch: Batch, device: torch.device) -> Tensor:
        if self._drawn is None or self._drawn[0] != batch.epoch:
            numbers = torch.from_numpy(uniforms(self._rows, self._seed, batch.epoch))
            self._drawn = (batch.epoch, numbers.to(device))
        return self._drawn[1][on_device(batch.rows, device)]

    def _share(self, labels: Tensor) -> Tensor | float:
        if not self._options.class_ratios:
            return self._options.ratio
        self._ratios = self._ratios.to(labels.device)
        return self._ratios[labels]

    def _wrong(
        self, logits: Tensor, targets: Tensor | None, labels: Tensor, uniform: Tensor
    ) -> Tensor:
        """A wrong class for each row, int64 [N]."""
        if self._options.negatives == "least":
            return least_probable(logits.detach(), labels)
        if self._confusion is not None:
            weights = self._confusion[labels]
        elif self._options.negatives == "teacher" and targets is not None:
            weights = teacher_probabilities(targets)
        else:
            weights = torch.ones_like(logits)
        return draw_negatives(labels, weights, uniform)

    def _learnt(self, device: torch.device) -> NegativeGate:
        if self._gate is None:
            self._gate = NegativeGate(self._seed, device)
            if self._state:
                self._gate.restore(self._state["gate"])
        return self._gate
