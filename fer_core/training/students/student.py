"""Training a student: where it starts, what it learns from, and the run."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fer_core.base.errors import ModelError
from fer_core.base.labels import N_CLASSES
from fer_core.base.params import Params
from fer_core.images.memory import on_device
from fer_core.images.views import student_view
from fer_core.models.initial.initial import load_initial, start_classifier
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.opened import open_targets, open_teacher_targets, open_votes
from fer_core.training.loop.options import Resolution, SavedStudent, StudentTrainOptions
from fer_core.training.loop.passes import Batch, check_feasible
from fer_core.training.loop.run import (
    Start,
    TrainingRun,
    describe,
    open_training_data,
    run_training,
)
from fer_core.training.loop.task import Task
from fer_core.training.students.loss import Loss, Needs, loss_class
from fer_core.training.students.terms import Auxiliary

__all__ = [
    "Method",
    "StudentTask",
    "load_method",
    "saved_student",
    "start_student",
    "train_student",
]

log = logging.getLogger(__name__)


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
        loss = batch.mean_loss(lambda labels, _: self._loss(logits, targets, labels), self.mass)
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


@dataclass(frozen=True)
class Method:
    """How a student is taught.

    Attributes:
        name: of its section in `student`.
        loss: that section.
        options: of the training.
        softlabels: folder of the teachers' targets, opened only where the loss needs them.
    """

    name: str
    loss: Loss
    options: StudentTrainOptions
    softlabels: Path


def load_method(params: Params, name: str, softlabels: Path) -> Method:
    """Read how a method teaches.

    Raises:
        ParamsError: its section, or `student.train` with its own learning rate and epochs, is
            missing or does not fit.
    """
    file = params.section(f"student.{name}.method", str, default=name)
    loss = params.section(f"student.{name}", loss_class(file))
    common = params.section("student.train", StudentTrainOptions)
    return Method(
        name, loss, common.changed(loss.lr, loss.extra_epochs, loss.trainable), softlabels
    )


def start_student(params: Params, folder: Path, method: Method) -> Start:
    """What a student starts with: initial weights, or those of the student that its method goes on
    from or that `student.init` names.

    Raises:
        ArtifactError: these weights are damaged, or of another architecture than the initial ones.
        ModelError: that student is of another architecture or saw other pictures.
    """
    saved = params.section("student.init", SavedStudent | None, default=None)
    if method.loss.start is not None or saved is not None:
        return saved_student(params, folder)
    arch, preprocessing = _wanted(params)
    initial = load_initial(folder, arch)
    network = start_classifier(initial, preprocessing.size)
    return Start(arch, network, preprocessing, initial.sha256)


def saved_student(params: Params, folder: Path) -> Start:
    """A student that training goes on from.

    Raises:
        ArtifactError: its weights are damaged.
        ModelError: it is of another architecture or saw other pictures than `params` say.
    """
    arch, preprocessing = _wanted(params)
    network, card = load_model(folder)
    found = (card.kind, card.arch, card.preprocessing.hash())
    expected = ("student", arch, preprocessing.hash())
    if found != expected:
        raise ModelError(
            "This is no student that training could go on from.",
            where=folder,
            found=found,
            expected=expected,
        )
    return Start(arch, network, preprocessing, card.weights_sha256)


def _wanted(params: Params) -> tuple[str, Preprocessing]:
    """Architecture and preprocessing of all students."""
    preprocessing = params.section("preprocessing", Preprocessing)
    if own := params.section("student.preprocessing", Resolution | None, default=None):
        preprocessing = replace(preprocessing, size=own.size)
    return params.section("student.arch", str), preprocessing


def train_student(run: TrainingRun, out: Path, start: Start, method: Method) -> None:
    """Train a student from the weights it starts with and write `model/` and `record/`.

    Args:
        run: its name, rows, seed and machine.
        out: folder of both.
        start: of `start_student`.
        method: of `load_method`.

    Raises:
        TrainingError, DataError: as `run_training` and `open_training_data`.
        ArtifactError: as `open_targets`.
    """
    network, loss, options = start.network, method.loss, method.options
    check_feasible(network, options, loss.mixable)
    if options.accumulation > 1 and (parts := loss.of_micro_batch):
        log.warning(
            "accumulation: %d makes %s compare the rows of micro-batches of %d, not of batches",
            options.accumulation,
            ", ".join(parts),
            options.micro_batch,
        )
    targets, sha256 = _open_targets(run, start.preprocessing, method)
    data = open_training_data(run, start.preprocessing, options)
    own = {"method": method.name, method.name: loss.model_dump(mode="json", exclude_none=True)}
    card = describe(run, start, data, options, own, sha256)
    terms = None
    if loss.has_auxiliary:
        terms = Auxiliary(loss, network, data.labels, data.train, targets, run.seed, options.epochs)
    views = run.views.count
    task = StudentTask(network, loss, targets, lambda epoch: student_view(epoch, views), terms)
    run_training(run, out, task, card, data, options)


def _open_targets(
    run: TrainingRun, preprocessing: Preprocessing, method: Method
) -> tuple[Tensor | None, str | None]:
    """What the loss needs beside labels, by row number and view; and the hash of the soft
    labels.
    """
    rows, loss = run.pack.rows, method.loss
    if loss.needs is Needs.VOTES:
        return open_votes(rows, run.views, run.device), None
    if not loss.needs.of_teachers and not loss.guided:
        return None, None
    opened = open_teacher_targets if loss.needs is Needs.EACH_TEACHER else open_targets
    return opened(method.softlabels, rows, preprocessing, run.views, run.device)
