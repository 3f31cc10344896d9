"""A small network that weighs rows for negative learning (the original system's "NL", kind
negl_gate).

Only the term that it weighs trains it. The least loss is that of no weight at all, so that it
tends to nothing: it is here to be measured, and `negl.least_applied` stops a run in which it does.
"""

from typing import Any

import torch
from torch import Tensor, nn

from fer_core.training.students.negl import normalised_entropy

__all__ = ["NegativeGate"]

_HIDDEN, _RATE = 32, 1e-3
_STREAM = 0x67617465  # keeps its initial weights apart from other random numbers of the seed


class NegativeGate:
    """Weights of rows in [0, 1], and the optimiser of the network that gives them.

    It steps where a step of the student has ended: when the next one asks for weights, or when its
    state is asked for.

    Args:
        seed: of the run.
        device: of the student.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed ^ _STREAM)
            network = nn.Sequential(nn.Linear(4, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 1))
        self._network = network.to(device)
        self._optimiser = torch.optim.AdamW(self._network.parameters(), lr=_RATE)
        self._place: tuple[int, int] | None = None

    def weights(self, logits: Tensor, progress: float, place: tuple[int, int]) -> Tensor:
        """The weight of each row, [N].

        Args:
            logits: student's, [N, C]; no gradient flows back to them.
            progress: share of the training that is done.
            place: epoch and step.
        """
        if place != self._place:
            self._settle()
            self._place = place
        logits = logits.detach()
        best = logits.softmax(dim=1).topk(2, dim=1).values
        seen = [normalised_entropy(logits), best[:, 0], best[:, 0] - best[:, 1]]
        seen.append(torch.full_like(best[:, 0], progress))
        weights: Tensor = self._network(torch.stack(seen, dim=1)).sigmoid().squeeze(1)
        return weights

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        self._settle()
        return {"network": self._network.state_dict(), "optimiser": self._optimiser.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _settle(self) -> None:
        """Take the step that the gradients of the student's last step ask for."""
        gradients = [
            weight.grad for weight in self._network.parameters() if weight.grad is not None
        ]
        if gradients and all(bool(gradient.isfinite().all()) for gradient in gradients):
            self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
