"""Training a student: where it starts, what it learns from, and the run."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from fer_core.base.errors import ModelError
from fer_core.base.params import Params
from fer_core.images.views import student_view
from fer_core.models.initial.initial import load_initial, start_classifier
from fer_core.models.networks.saved import load_model
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.targets.opened import open_targets, open_teacher_targets, open_votes
from fer_core.training.loop.options import Resolution, StudentTrainOptions
from fer_core.training.loop.passes import check_feasible
from fer_core.training.loop.run import (
    Start,
    TrainingRun,
    describe,
    open_training_data,
    run_training,
)
from fer_core.training.students.loss import Loss, loss_class
from fer_core.training.students.needs import Needs
from fer_core.training.students.task import StudentTask
from fer_core.training.students.terms import Auxiliary

__all__ = ["Method", "load_method", "start_student", "train_student"]


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
    return Method(name, loss, common.changed(loss.lr, loss.extra_epochs), softlabels)


def start_student(params: Params, folder: Path, method: Method) -> Start:
    """What a student starts with: initial weights, or those of the student that its method goes on
    from.

    Raises:
        ArtifactError: these weights are damaged, or of another architecture than the initial ones.
        ModelError: that student is of another architecture or saw other pictures.
    """
    arch = params.section("student.arch", str)
    preprocessing = params.section("preprocessing", Preprocessing)
    if own := params.section("student.preprocessing", Resolution | None, default=None):
        preprocessing = replace(preprocessing, size=own.size)
    if method.loss.start is None:
        initial = load_initial(folder, arch)
        network = start_classifier(initial, preprocessing.size)
        return Start(arch, network, preprocessing, initial.sha256)
    network, card = load_model(folder)
    found = (card.kind, card.arch, card.preprocessing.hash())
    expected = ("student", arch, preprocessing.hash())
    if found != expected:
        raise ModelError(
            "This is no student that the method could go on from.",
            where=folder,
            found=found,
            expected=expected,
        )
    return Start(arch, network, preprocessing, card.weights_sha256)


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
    targets, sha256 = _open_targets(run, start.preprocessing, method)
    data = open_training_data(run, start.preprocessing)
    own = {"method": method.name, method.name: loss.model_dump(mode="json", exclude_none=True)}
    card = describe(run, start, data, options, own, sha256)
    terms = None
    if loss.has_auxiliary:
        terms = Auxiliary(loss, network, data.labels, data.train, targets, run.seed)
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
