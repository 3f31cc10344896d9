"""What is learnt: a network, its loss on a batch, and how it is evaluated. The loop around it is the same for every task."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_core.learning.mixup import Mixture
from fer_core.learning.sampling import effective_number_weights
from fer_core.models.arcface import ArcFaceNetwork, arcface_logits
from fer_core.models.options import ArcFaceOptions

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
        """Whether images may be mixed: not where the loss needs something that is stored for plain images only."""

    def schedule(self, epoch: int) -> dict[str, float]:
        """What follows a schedule of the task's own, such as a margin, in an epoch; for the history."""

    def loss(self, images: Tensor, rows: np.ndarray, labels: Tensor, epoch: int, mixture: Mixture | None = None) -> tuple[Tensor, Tensor]:
        """Scalar mean loss of some rows, and their logits [n, 7] for the training accuracy; with a mixture the images are mixed already."""

    def mass(self, labels: Tensor) -> float | Tensor:
        """What the mean loss of rows of these labels divides by: their number, or the sum of their class weights."""

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits [n, 7] as they are evaluated after an epoch."""


class TeacherTask:
    """ArcFace training: cross-entropy on a plain head during the warm-up, then on the angular head with a growing margin.

    Args:
        network: to be trained.
        options: margin, scale and their schedule.
        view_of: view of an epoch.
        train_labels: class of every training row; None leaves classes unweighted, else effective-number weights are used.
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
        self._weights = None if train_labels is None else torch.from_numpy(effective_number_weights(train_labels)).to(device)

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

    def loss(self, images: Tensor, rows: np.ndarray, labels: Tensor, epoch: int, mixture: Mixture | None = None) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the phase's head; the logits returned carry no margin."""
        embeddings = self.network.embed(images)
        margin, scale = self._options.margin_at(epoch), self._options.scale
        cosine = None if self.phase(epoch) == "plain" else self.network.cosine(embeddings)
        logits = self.network.plain(embeddings).float() if cosine is None else scale * cosine

        def loss_of(truth: Tensor) -> Tensor:
            scores = logits if cosine is None else arcface_logits(cosine, truth, margin, scale)
            return functional.cross_entropy(scores, truth, weight=self._weights, label_smoothing=self._smoothing)

        return loss_of(labels) if mixture is None else mixture.loss(loss_of, self.mass, labels), logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows, or the sum of their class weights."""
        return float(len(labels)) if self._weights is None else self._weights[labels].sum()

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the phase's head."""
        return self.network.plain(self.network.embed(images)) if self.phase(epoch) == "plain" else self.network(images)


class StudentTask:
    """A network with seven outputs trained by one of the methods of `learning/losses/`.

    Args:
        network: to be trained.
        method: module of the method: its `loss` and `NEEDS_TARGETS`.
        options: the method's options.
        targets: teacher logits float16 [number of rows of the pack's half, K + 1, 7] by row number and view, or None.
        view_of: view of an epoch.
    """

    def __init__(self, network: nn.Module, method: ModuleType, options: Any, targets: Tensor | None, view_of: Callable[[int], int]) -> None:
        self.network = network
        self._method, self._options, self._targets, self._view_of = method, options, targets, view_of

    def phase(self, epoch: int) -> str:
        """The method's name."""
        return self._method.__name__.rpartition(".")[2]

    def selectable(self, epoch: int) -> bool:
        """Every epoch."""
        return True

    def train_view(self, epoch: int) -> int:
        """The view whose teacher logits are stored; the same for every method, with or without targets."""
        return self._view_of(epoch)

    @property
    def mixable(self) -> bool:
        """Only without targets: the teachers saw no mixed image."""
        return self._targets is None

    def schedule(self, epoch: int) -> dict[str, float]:
        """Nothing."""
        return {}

    def loss(self, images: Tensor, rows: np.ndarray, labels: Tensor, epoch: int, mixture: Mixture | None = None) -> tuple[Tensor, Tensor]:
        """The method's loss against the targets of the very view the images show."""
        logits = self.network(images).float()
        targets = None
        if self._targets is not None:
            targets = self._targets[torch.from_numpy(rows).to(self._targets.device), self.train_view(epoch)].float()

        def loss_of(truth: Tensor) -> Tensor:
            loss: Tensor = self._method.loss(logits, targets, truth, self._options)
            return loss

        return loss_of(labels) if mixture is None else mixture.loss(loss_of, self.mass, labels), logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows."""
        return float(len(labels))

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the network."""
        return self.network(images)
