"""What is learnt: a network, its loss on a batch, and how it is evaluated. The loop around it is
the same for every task.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from fer_core.training.loop.passes import Batch

__all__ = ["Task"]


class Task(ABC):
    """Contract between the loop and what it trains.

    Args:
        network: to be trained.
        view_of: number of the view that all rows show in an epoch.
    """

    def __init__(self, network: nn.Module, view_of: Callable[[int], int]) -> None:
        self.network = network
        self.view_of = view_of

    @property
    def mixable(self) -> bool:
        """Whether images may be mixed: not where the loss needs something that is stored for plain
        images only.
        """
        return True

    @abstractmethod
    def phase(self, epoch: int) -> str:
        """Name of what is trained in an epoch, for the history."""

    def selectable(self, epoch: int) -> bool:
        """Whether the weights after this epoch may become the model."""
        return True

    def schedule(self, epoch: int) -> dict[str, float]:
        """What follows a schedule of the task's own, such as a margin, in an epoch; for the
        history.
        """
        return {}

    @abstractmethod
    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """What `loss` needs of the network, float32 [n, …]; each row's from its own image."""

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scalar mean loss of some rows, and their logits [n, 7] for the training accuracy; where
        the batch has a mixture, the images were mixed already.

        It has no weights of its own: in a group of processes each works it out for all rows, and
        its gradient goes on from there through the outputs that are its own.
        """

    def mass(self, labels: Tensor) -> float | Tensor:
        """What the mean loss of rows of these labels divides by: their number, or the sum of their
        class weights.
        """
        return float(len(labels))

    def predict(self, images: Tensor, epoch: int) -> Tensor:
        """Logits [n, 7] as they are evaluated after an epoch."""
        return self.network(images)

    def activity(self) -> dict[str, float]:
        """What parts of the loss did in the epoch that ends, for the history."""
        return {}

    def state(self) -> dict[str, Any]:
        """What the loss remembers from step to step, for a checkpoint."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027  most remember nothing
        """Take over what `state` gave."""
