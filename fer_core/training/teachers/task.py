"""What a teacher learns: ArcFace after a warm-up on a plain head."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fer_core.base.labels import N_CLASSES
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork, arcface_logits
from fer_core.training.loop.passes import Batch
from fer_core.training.loop.task import Task

__all__ = ["TeacherTask", "effective_number_weights"]


class TeacherTask(Task):
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

    network: ArcFaceNetwork

    def __init__(
        self,
        network: ArcFaceNetwork,
        options: ArcFaceOptions,
        view_of: Callable[[int], int],
        train_labels: np.ndarray | None,
        device: torch.device,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(network, view_of)
        self._options = options
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

    def schedule(self, epoch: int) -> dict[str, float]:
        """The margin."""
        return {"margin": self._options.margin_at(epoch)}

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the plain head during the warm-up, cosines of the angular one after it."""
        embeddings = self.network.embed(images)
        if self.phase(epoch) == "plain":
            return self.network.plain(embeddings).float()
        return self.network.cosine(embeddings)

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the phase's head; the logits returned carry no margin."""
        margin, scale = self._options.margin_at(batch.epoch), self._options.scale
        plain = self.phase(batch.epoch) == "plain"
        logits = outputs if plain else scale * outputs

        def loss_of(truth: Tensor) -> Tensor:
            scores = logits if plain else arcface_logits(outputs, truth, margin, scale)
            return functional.cross_entropy(
                scores, truth, weight=self._weights, label_smoothing=self._smoothing
            )

        return batch.mean_loss(loss_of, self.mass), logits

    def mass(self, labels: Tensor) -> float | Tensor:
        """Number of rows, or the sum of their class weights."""
        return super().mass(labels) if self._weights is None else self._weights[labels].sum()

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits of the phase's head."""
        if self.phase(epoch) == "plain":
            return self.network.plain(self.network.embed(images))
        return self.network(images)


def effective_number_weights(labels: np.ndarray, beta: float = 0.9999) -> np.ndarray:
    """Class weights (1 - beta) / (1 - beta^n), scaled to sum to the number of classes (Cui et al.,
    CVPR 2019); 0 for an absent class.

    Args:
        labels: class indices [n].

    Returns:
        float32 [7].
    """
    counts = np.bincount(labels, minlength=N_CLASSES)
    weights = np.where(counts > 0, (1 - beta) / (1 - beta ** np.maximum(counts, 1)), 0)
    return (weights * N_CLASSES / weights.sum()).astype(np.float32)
