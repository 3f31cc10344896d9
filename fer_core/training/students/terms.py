"""Auxiliary terms that any method of a student may add to its loss: negative learning, class
prototypes, locality.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_core.training.loop.passes import Batch
from fer_core.training.students.loss import Loss
from fer_core.training.students.lp import locality_loss
from fer_core.training.students.negatives import Negatives
from fer_core.training.students.proto import Prototypes

__all__ = ["Auxiliary"]


class Auxiliary:
    """The terms that a method's section asks for, their memory and what they did.

    Features are what the network's classifier is given: a hook keeps them, so there is no second
    forward pass.

    Args:
        loss: whose section asks for them.
        network: a timm network, whose classifier is known.
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
        loss: Loss,
        network: nn.Module,
        labels: np.ndarray,
        train: np.ndarray,
        targets: Tensor | None,
        seed: int,
        epochs: int,
    ) -> None:
        self._options = loss
        self._features: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._prototypes = None if loss.proto is None else Prototypes(loss.proto)
        self._wants_features = loss.proto is not None or loss.lp is not None
        if self._wants_features:
            network.get_classifier().register_forward_pre_hook(self._keep)  # type: ignore[operator]
        self._negatives = (
            None
            if loss.negl is None
            else Negatives(loss.negl, labels, train, targets, seed, epochs)
        )

    def with_features(self, logits: Tensor) -> Tensor:
        """Logits [N, C] that the network just gave, and beside them the features behind them where
        a term wants those, [N, C + F].
        """
        if not self._wants_features or not torch.is_grad_enabled():
            return logits
        features, self._features = self._features, None
        assert features is not None, "the classifier was not asked"
        return torch.cat([logits, features.flatten(1).float()], dim=1)

    def loss(
        self,
        logits: Tensor,
        features: Tensor,
        targets: Tensor | None,
        batch: Batch,
    ) -> Tensor:
        """Weighted sum of the terms for a batch.

        Args:
            logits: student's, float32 [N, C].
            features: behind them, float32 [N, F]; F = 0 where no term wants them.
            targets: teacher's logits of the same views, or None.
            batch: the same rows.
        """
        labels = batch.labels
        total = logits.new_zeros(())
        if self._negatives is not None and self._options.negl is not None:
            negative, did = self._negatives.loss(logits, targets, batch)
            self._note(**did)
            total = total + self._options.negl.weight * negative
        if self._prototypes is not None and self._options.proto is not None:
            pull, chosen, cosine = self._prototypes.loss(features, labels)
            self._note(proto_applied=chosen, proto_cosine=cosine)
            total = total + self._options.proto.weight * pull
        if self._options.lp is not None:
            spread, included = locality_loss(features, labels, self._options.lp.neighbours)
            self._note(lp_included=included)
            total = total + self._options.lp.weight * spread
        return total

    def activity(self) -> dict[str, float]:
        """Mean over the rows since last asked of what each term did, for the history.

        Raises:
            TrainingError: a term has died or run away, and its options do not allow it.
        """
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        if self._negatives is not None and "negl_applied" in means:
            self._negatives.check(means["negl_applied"], means["negl_loss"])
        return means

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        parts = (self._prototypes, self._negatives)
        return {name: value for part in parts if part for name, value in part.state().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """What `state` gave."""
        for part in (self._prototypes, self._negatives):
            if part is not None:
                part.restore(dict(state))

    def _note(self, **values: Tensor) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value.double().sum()
            self._counts[name] = self._counts.get(name, 0) + value.numel()

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():  # the classifier itself may be frozen, and not in training mode
            self._features = inputs[0]
