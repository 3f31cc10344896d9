"""What a student learns: the loss of its method, and the terms added to it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from fer_core.base.labels import N_CLASSES
from fer_core.images.memory import on_device
from fer_core.training.loop.passes import Batch
from fer_core.training.loop.task import Task
from fer_core.training.students.loss import Loss
from fer_core.training.students.terms import Auxiliary

__all__ = ["StudentTask"]


class StudentTask(Task):
    """A network with seven outputs trained by one of the losses of `fer_core/training/losses/`.

    Args:
        network: to be trained.
        loss: of its method.
        targets: what the loss needs, [number of rows of the pack's half, K + 1, …] by row number
            and view, or None.
        view_of: view of an epoch, the one whose targets are stored; the same for every method, with
            or without targets.
        terms: added to the loss; None adds nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        targets: Tensor | None,
        view_of: Callable[[int], int],
        terms: Auxiliary | None = None,
    ) -> None:
        super().__init__(network, view_of)
        self._loss, self._targets, self._terms = loss, targets, terms

    @property
    def mixable(self) -> bool:
        """Only without stored targets and further terms."""
        return self._targets is None and self._terms is None

    def phase(self, epoch: int) -> str:
        """The loss's name."""
        return self._loss.name

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the network, and beside them what further terms want to know, [n, 7 + …]."""
        logits: Tensor = self.network(images).float()
        return logits if self._terms is None else self._terms.with_features(logits)

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The method's loss against the targets of the very view the images show, and that of
        further terms.
        """
        logits, features = outputs[:, :N_CLASSES], outputs[:, N_CLASSES:]
        targets = None
        if self._targets is not None:
            rows = on_device(batch.rows, self._targets.device)
            targets = self._targets[rows, self.view_of(batch.epoch)].float()
        loss = batch.mean_loss(lambda labels: self._loss(logits, targets, labels), self.mass)
        if self._terms is not None:
            loss = loss + self._terms.loss(logits, features, targets, batch)
        return loss, logits

    def activity(self) -> dict[str, float]:
        """Of the further terms."""
        return {} if self._terms is None else self._terms.activity()

    def state(self) -> dict[str, Any]:
        """Of the further terms."""
        return {} if self._terms is None else self._terms.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Of the further terms."""
        if self._terms is not None:
            self._terms.restore(state)
