"""Adaptation of a student: the rows of the sessions with replayed ones, a loss that keeps it near
to where it was, and the run of any other training.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from fer_core.base.errors import DataError
from fer_core.base.labels import N_CLASSES, SELF_LABELLED
from fer_core.images.memory import on_device
from fer_core.images.views import student_view
from fer_core.models.devices import distributed
from fer_core.training.adaptation.options import AdaptOptions
from fer_core.training.loop.passes import Batch
from fer_core.training.loop.run import (
    Start,
    TrainingRun,
    describe,
    open_training_data,
    run_training,
)
from fer_core.training.loop.task import Task
from fer_core.training.students.negl import excluded_loss

__all__ = ["AdaptationTask", "SessionRows", "adapt", "ruled_out"]

_STREAM = {"train": 0x7265706C, "val": 0x7265706D}


@dataclass(frozen=True)
class SessionRows:
    """Rows of sessions, and replayed rows of the other data sets.

    Attributes:
        sources: data sets of sessions.
        replay: other rows for each of a session, as far as there are some.
        seed: decides which.
    """

    sources: tuple[str, ...]
    replay: float
    seed: int

    def rows(self, frame: pd.DataFrame, split: str = "train") -> np.ndarray:
        """Numbers of the rows of a split, int64, ascending.

        Args:
            frame: rows of the dev half.
            split: train, or val; of val all rows where no session is in it.

        Raises:
            DataError: no train row is of a session.
        """
        inside = (frame["split"] == split).to_numpy()
        of_sessions = frame["source"].isin(self.sources).to_numpy()
        own, other = np.flatnonzero(inside & of_sessions), np.flatnonzero(inside & ~of_sessions)
        if not len(own) and split == "train":
            raise DataError(
                "There is no train row of a session to adapt to.",
                where="adapt.sources",
                found=", ".join(self.sources),
                expected="data sets of labelled sessions",
                remedy="`fer data add webcam FOLDER` with sessions that were recorded and labelled",
            )
        if not len(own):
            return other
        count = min(len(other), round(self.replay * len(own)))
        random = np.random.default_rng([_STREAM[split], self.seed])
        return np.sort(np.concatenate([own, random.choice(other, count, replace=False)]))

    def to_dict(self) -> dict[str, Any]:
        """What decides the rows."""
        return {"sessions": list(self.sources), "replay": self.replay, "seed": self.seed}


def ruled_out(frame: pd.DataFrame) -> np.ndarray | None:
    """The classes that self-labelled rows do not show, bool [N, 7]; False for rows whose label is
    learnt. None where there are only such.

    Args:
        frame: rows of the dev half.
    """
    unsure = np.flatnonzero((frame["usage"] == SELF_LABELLED) & frame["votes"].notna())
    if not len(unsure):
        return None
    table = np.zeros((len(frame), N_CLASSES), dtype=bool)
    table[unsure] = np.stack(frame["votes"].iloc[unsure].to_list()) == 0
    return table


class AdaptationTask(Task):
    """Cross-entropy with the labels, or, where only some classes are ruled out, -log(1 - p) of
    these together; and half the squared distance to the weights at the start.

    Args:
        network: with the weights to start from, on `device`'s or any other memory.
        proximity: weight of the distance; only of what learns, because the rest does not move.
        views: stored views of a row.
        device: of the training.
        excluded: of `ruled_out`.
    """

    def __init__(
        self,
        network: nn.Module,
        proximity: float,
        views: int,
        device: torch.device,
        excluded: np.ndarray | None = None,
    ) -> None:
        super().__init__(network, lambda epoch: student_view(epoch, views))
        self._proximity = proximity
        self._excluded = None if excluded is None else torch.from_numpy(excluded).to(device)
        self._start = {
            name: weight.detach().clone().to(device) for name, weight in network.named_parameters()
        }

    @property
    def mixable(self) -> bool:
        """False: sessions are few, and no camera shows a mixture of faces."""
        return False

    def phase(self, epoch: int) -> str:
        """The same in every epoch."""
        return "adapt"

    def outputs(self, images: Tensor, epoch: int) -> Tensor:
        """Logits [n, 7]."""
        logits: Tensor = self.network(images).float()
        return logits

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss of the rows and the weighted distance."""
        if self._excluded is None:
            loss = functional.cross_entropy(outputs, batch.labels)
        else:
            excluded = self._excluded[on_device(batch.rows, outputs.device)]
            loss = torch.where(
                excluded.any(dim=1),
                excluded_loss(outputs, excluded),
                functional.cross_entropy(outputs, batch.labels, reduction="none"),
            ).mean()
        return loss + self._proximity * self._shared_distance(), outputs

    def distance(self) -> Tensor:
        """Half the sum of squared changes of what learns."""
        changes = [
            (weight - self._start[name]).square().sum()
            for name, weight in self.network.named_parameters()
            if weight.requires_grad
        ]
        return torch.stack(changes).sum() / 2

    def _shared_distance(self) -> Tensor:
        """The distance, with this process's share of its gradient: a group adds theirs up."""
        whole = self.distance()
        share = whole / distributed.size()
        return share + (whole - share).detach()


def adapt(run: TrainingRun, out: Path, start: Start, options: AdaptOptions) -> None:
    """Fine-tune a student and write `model/` and `record/`, as any training does.

    The epoch is selected on val rows that are mixed as the train rows are.

    Args:
        run: its `train_set` are `SessionRows`.
        out: folder of both.
        start: the student as it is deployed.
        options: section `adapt`.

    Raises:
        DataError: no session to learn from.
        TrainingError: as `run_training`.
    """
    rows = run.train_set
    assert isinstance(rows, SessionRows)
    training = options.training
    data = open_training_data(run, start.preprocessing, training)
    held_out = rows.rows(run.pack.rows.frame, "val")
    data = replace(data, val=held_out[np.isin(held_out, data.val)])
    own = {"adapt": options.model_dump(mode="json", exclude={"train", "sets"})}
    card = describe(run, start, data, training, own)
    excluded = ruled_out(run.pack.rows.frame)
    task = AdaptationTask(start.network, options.proximity, run.views.count, run.device, excluded)
    run_training(run, out, task, card, data, training)
