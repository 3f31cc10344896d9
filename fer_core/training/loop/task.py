"""What is learnt: a network, its loss on a batch, and how it is evaluated. The loop around it is
the same for every task.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_core.base.labels import N_CLASSES
from fer_core.images.transfer import on_device
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork, arcface_logits
from fer_core.training.loop.mixup import Mixture
from fer_core.training.loop.sampling import effective_number_weights

__all__ = ["StudentTask", "Task", "TeacherTask"]


class Task(Protocol):
    """Contract between the loop and what it trains."""

    @property
    def network(self) -> nn.Module:
        """The network to be trained."""

    def phase(self, epoch: int) -> str:
        """Name of what is trained in an epoch, for the history."""

    def selectable(self, epoch: int) -> bool:
        """Whether the weights after this epoch may become the model."""

    def train_view(self, epoch: int) -> int:
        """Number of the view that all rows show in an epoch."""

    @property
    def mixable(self) -> bool:
        """Whether images may be mixed: not where the loss needs something that is stored for plain
        images only.
        """

    def schedule(self, epoch: int) -> dict[str, float]:
        """What follows a schedule of the task's own, such as a margin, in an epoch; for the
        history.
        """

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """What `loss` needs of the network, float32 [n, …]; each row's from its own image."""

    def loss(
        self,
        outputs: Tensor,
        rows: np.ndarray,
        labels: Tensor,
        epoch: int,
        mixture: Mixture | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scalar mean loss of some rows, and their logits [n, 7] for the training accuracy; with a
        mixture the images were mixed already.

        It has no weights of its own: in a group of processes each works it out for all rows, and
        its gradient goes on from there through the outputs that are its own.
        """

    def activity(self) -> dict[str, float]:
        """What parts of the loss did in the epoch that ends, for the history."""

    def state(self) -> dict[str, Any]:
        """What the loss remembers from step to step, for a checkpoint."""

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave."""

    def mass(self, labels: Tensor) -> float | Tensor:
        """What the mean loss of rows of these labels divides by: their number, or the sum of their
        class weights.
        """

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits [n, 7] as they are evaluated after an epoch."""


class TeacherTask:
    """ArcFace training: cross-entropy on a plain head during the warm-up, then on the angular head
    with a growing margin.

    Args:
        network: to be trained.
        options: margin, scale and their schedule.
        view_of: view of an epoch.
        train_labels: class of every training row; None leaves classes unweighted, else
            effective-number weights are used.
        device: of the network.
        label_smoothing: share of the label's mass given to all classes alike.
    """

    mixable = True

    def __init__(
        self,
        network: ArcFaceNetwork,
        options: ArcFaceOptions,
        view_of: Callable[[int], int],
        train_labels: np.ndarray | None,
        device: torch.device,
        label_smoothing: float = 0.0,
    ) -> None:
        self.network = network
        self._options = options
        self._view_of = view_of
        self._smoothing = label_smoothing
        self._weights = (
            None
            if train_labels is None
            else torch.from_numpy(effective_number_weights(train_labels)).to(device)
        )

    def phase(self, epoch: int) -> str:
        """ "plain" during the warm-up, then "arcface"."""
        return "plain" if epoch < self._options.warmup_epochs else "arcface"

    def selectable(self, epoch: int) -> bool:
        """Only after the warm-up: before it the angular head is untrained."""
        return self.phase(epoch) == "arcface"

    def train_view(self, epoch: int) -> int:
        """A view of the teachers' own stream."""
        return self._view_of(epoch)

    def schedule(self, epoch: int) -> dict[str, float]:
        """The margin."""
        return {"margin": self._options.margin_at(epoch)}

    def activity(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Any]:
        """Nothing: all there is to remember is in the network."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing."""

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the plain head during the warm-up, cosines of the angular one after it."""
        embeddings = self.network.embed(images)
        return (
            self.network.plain(embeddings).float()
            if self.phase(epoch) == "plain"
            else self.network.cosine(embeddings)
        )

    def loss(
        self,
        outputs: Tensor,
        rows: np.ndarray,
        labels: Tensor,
        epoch: int,
        mixture: Mixture | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the phase's head; the logits returned carry no margin."""
        margin, scale, plain = (
            self._options.margin_at(epoch),
            self._options.scale,
            self.phase(epoch) == "plain",
        )
        logits = outputs if plain else scale * outputs

        def loss_of(truth: Tensor) -> Tensor:
            scores = logits if plain else arcface_logits(outputs, truth, margin, scale)
            return functional.cross_entropy(
                scores, truth, weight=self._weights, label_smoothing=self._smoothing
            )

        return loss_of(labels) if mixture is None else mixture.loss(
            loss_of, self.mass, labels
        ), logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows, or the sum of their class weights."""
        return float(len(labels)) if self._weights is None else self._weights[labels].sum()

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the phase's head."""
        return (
            self.network.plain(self.network.embed(images))
            if self.phase(epoch) == "plain"
            else self.network(images)
        )


class Terms(Protocol):
    """Contract between a student's task and what is added to its method's loss
    (`auxiliary.terms`).
    """

    def with_features(self, logits: Tensor) -> Tensor:
        """Logits [n, 7] that the network just gave, and beside them the features behind them where
        they are wanted.
        """

    def loss(
        self,
        logits: Tensor,
        features: Tensor,
        targets: Tensor | None,
        rows: np.ndarray,
        labels: Tensor,
        epoch: int,
    ) -> Tensor:
        """Scalar to be added."""

    def activity(self) -> dict[str, float]:
        """See `Task`."""

    def state(self) -> dict[str, Any]:
        """See `Task`."""

    def restore(self, state: dict[str, Any]) -> None:
        """See `Task`."""


class StudentTask:
    """A network with seven outputs trained by one of the methods of `learning/losses/`.

    Args:
        network: to be trained.
        method: module of the method: its `loss` and `NEEDS_TARGETS`.
        options: the method's options.
        targets: teacher logits float16 [number of rows of the pack's half, K + 1, 7] by row number
            and view, those of each of M teachers [rows, K + 1, M, 7], or None.
        view_of: view of an epoch.
        terms: added to the method's loss; None adds nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        method: ModuleType,
        options: Any,
        targets: Tensor | None,
        view_of: Callable[[int], int],
        terms: Terms | None = None,
    ) -> None:
        self.network = network
        self._method, self._options, self._targets, self._view_of, self._terms = (
            method,
            options,
            targets,
            view_of,
            terms,
        )

    def phase(self, epoch: int) -> str:
        """The method's name."""
        return self._method.__name__.rpartition(".")[2]

    def selectable(self, epoch: int) -> bool:
        """Every epoch."""
        return True

    def train_view(self, epoch: int) -> int:
        """The view whose teacher logits are stored; the same for every method, with or without
        targets.
        """
        return self._view_of(epoch)

    @property
    def mixable(self) -> bool:
        """Only without targets, for the teachers saw no mixed image, and without further terms,
        which know one label a row.
        """
        return self._targets is None and self._terms is None

    def schedule(self, epoch: int) -> dict[str, float]:
        """Nothing."""
        return {}

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

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the network, and beside them what further terms want to know, [n, 7 + …]."""
        logits: Tensor = self.network(images).float()
        return logits if self._terms is None else self._terms.with_features(logits)

    def loss(
        self,
        outputs: Tensor,
        rows: np.ndarray,
        labels: Tensor,
        epoch: int,
        mixture: Mixture | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The method's loss against the targets of the very view the images show, and that of
        further terms.
        """
        logits, features = outputs[:, :N_CLASSES], outputs[:, N_CLASSES:]
        targets = None
        if self._targets is not None:
            targets = self._targets[
                on_device(rows, self._targets.device), self.train_view(epoch)
            ].float()

        def loss_of(truth: Tensor) -> Tensor:
            loss: Tensor = self._method.loss(logits, targets, truth, self._options)
            return loss

        loss = loss_of(labels) if mixture is None else mixture.loss(loss_of, self.mass, labels)
        if self._terms is not None:
            loss = loss + self._terms.loss(logits, features, targets, rows, labels, epoch)
        return loss, logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows."""
        return float(len(labels))

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the network."""
        return self.network(images)
