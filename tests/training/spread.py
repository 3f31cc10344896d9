"""Runs that `test_distributed` makes twice: once in its own process and once in a group of two, as
`python -m tests.training.spread`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import timm
import torch
import torch.distributed as dist
from torch import Tensor, nn

from fer_core.base.errors import FerError
from fer_core.base.settings import Settings
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import student_view, teacher_view
from fer_core.models.devices import distributed
from fer_core.models.devices.device import prepare_device
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.training.loop import loop, scores
from fer_core.training.loop.batches import TrainingData
from fer_core.training.loop.interruption import open_scratch
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.task import Task
from fer_core.training.losses.ce import CE
from fer_core.training.losses.dist import DIST
from fer_core.training.students.student import StudentTask
from fer_core.training.students.terms import Auxiliary
from fer_core.training.teachers.teacher import TeacherTask
from tests.tiny import PREPROCESSING, SIDE, TRAINING, VIEWS

CPU = torch.device("cpu")
PLAIN = TRAINING.model_copy(update={"epochs": 2, "batch": 28, "lr": 0.002})


@dataclass(frozen=True)
class Case:
    """One run: how its task is made, its options, and what is broken on purpose in the group."""

    task: Callable[[TrainingData], Task]
    options: dict[str, Any]
    broken: Callable[[], AbstractContextManager[Any]] = nullcontext


def in_double(network: nn.Module, first: nn.Module) -> nn.Module:
    """In double precision rounding is far below what any fault would do, and below the epsilon that
    Adam divides by.
    """
    first.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    return network.double()


def view_of(epoch: int) -> int:
    return student_view(epoch, VIEWS.count)


def vit(data: TrainingData, double: bool = True, **options: Any) -> Task:
    network = timm.create_model("test_vit", num_classes=7, img_size=SIDE, **options)
    network = in_double(network, network) if double else network
    return StudentTask(network, CE(label_smoothing=0.1), None, view_of)


def distilled(data: TrainingData) -> Task:
    """A loss that looks at how the rows of a batch relate, and so is no sum over rows."""
    network = timm.create_model("test_vit", num_classes=7, img_size=SIDE)
    targets = torch.randn(
        len(data.labels), VIEWS.count + 1, 7, generator=torch.Generator().manual_seed(3)
    )
    loss = DIST(temperature=2.0, beta=1.0, gamma=1.0)
    return StudentTask(in_double(network, network), loss, targets, view_of)


def with_terms(data: TrainingData) -> Task:
    """Terms that remember earlier batches, compare rows of one and draw numbers."""
    network = timm.create_model("test_vit", num_classes=7, img_size=SIDE)
    values = {
        "label_smoothing": 0.0,
        "proto": {"weight": 0.5},
        "negl": {"weight": 0.2, "min_entropy": 0.0},
        "lp": {"weight": 0.1},
    }
    options = CE.model_validate(values)
    terms = Auxiliary(options, network, data.labels, data.train, None, seed=1, epochs=4)
    return StudentTask(in_double(network, network), options, None, view_of, terms)


def resnet_teacher(data: TrainingData) -> Task:
    network = ArcFaceNetwork("test_resnet", SIDE, 16, 0.2, 16.0)
    in_double(network, network.trunk)
    arcface = ArcFaceOptions(margin=0.2, scale=16.0, warmup_epochs=1, ramp_end=1)
    return TeacherTask(network, arcface, teacher_view, data.labels[data.train], CPU, 0.1)


@contextmanager
def no_sum() -> Iterator[None]:
    with patch.object(distributed, "sum_over_ranks", lambda tensors: None):
        yield


@contextmanager
def first_ranks_gradients() -> Iterator[None]:
    """Every process takes the same step, but from half of the batch."""

    def broadcast(tensors: list[Tensor]) -> None:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    with patch.object(distributed, "sum_over_ranks", broadcast):
        yield


EVERYTHING = {"ema": 0.7, "mixup": 0.4, "grad_clip": 0.5, "accumulation": 2}
BATCH_TO_EVALUATE = 5  # so that both processes have val rows
CASES = {
    "layer norm": Case(vit, {}),
    "layer norm in single precision": Case(lambda data: vit(data, double=False), {}),
    "layer norm with everything": Case(
        lambda data: vit(data, drop_rate=0.1, proj_drop_rate=0.1, drop_path_rate=0.2),
        {"batch": 14, "balance": "batches", **EVERYTHING},
    ),
    "relations of a batch": Case(distilled, {}),
    "further terms": Case(with_terms, {}),
    "batch norm": Case(resnet_teacher, {"batch_norm_group": 7, "balance": "weights"}),
    "batch norm with everything": Case(
        resnet_teacher, {"batch_norm_group": 7, "balance": "weights", **EVERYTHING}
    ),
    "no sum": Case(vit, {}, no_sum),
    "half of the batch": Case(vit, {}, first_ranks_gradients),
    "no groups": Case(resnet_teacher, {}),
}


def open_data(folder: Path) -> TrainingData:
    pack = Pack.open(folder)
    bank = ImageBank(pack, pack.rows.split("train", "val"), PREPROCESSING, VIEWS, 1, CPU)
    return TrainingData(bank, pack.rows.labels, pack.rows.split("train"), pack.rows.split("val"))


def outcome(name: str, data: TrainingData, folder: Path) -> dict[str, Any]:
    """History, selected epoch and weights of a case, or the text of its error."""
    case = CASES[name]
    torch.manual_seed(0)
    task = case.task(data)
    options = TrainOptions.model_validate(PLAIN.model_dump() | case.options)
    try:
        with (
            patch.object(scores, "EVALUATED_AT_ONCE", BATCH_TO_EVALUATE),
            open_scratch(folder, {"name": name}) as scratch,
        ):
            result = loop.train(task, data, options, 1, scratch, CPU)
    except FerError as error:
        return {"error": str(error)}
    return {
        "history": result.history,
        "selected": result.selected_epoch,
        "weights": result.weights,
        "last": task.network.state_dict(),
    }


def main(pack: str, out: str) -> None:
    prepare_device(Settings(device="cpu", threads=1))
    data = open_data(Path(pack))
    found = {}
    for name, case in CASES.items():
        with case.broken():
            found[name] = outcome(name, data, Path(out).parent / "group")
    if distributed.is_first():
        torch.save(found, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
