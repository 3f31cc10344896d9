"""What each training of a run took: epochs, memory, time, and its curve on val rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn

from fer_core.base.artifact import HEADER_FILE
from fer_core.base.files import read_json
from fer_core.evaluation.comparison.histories import read_history
from fer_core.models.networks.card import ModelCard, read_card
from fer_core.models.networks.saved import build_network
from fer_core.report.charts.render import draw_file
from fer_core.report.facts.collect import ReportScope
from fer_core.training.loop.footprint import training_bytes
from fer_core.training.loop.frozen import freeze
from fer_core.training.loop.options import StudentTrainOptions, TeacherTrainOptions
from fer_core.training.loop.record import LOG

__all__ = ["Training", "curves_picture", "trainings"]

_MEGABYTE = 10**6


@dataclass(frozen=True)
class Training:
    """One training of a teacher's stage or of a student.

    Attributes:
        name: tag and stage, or key of the student.
        line: what it is a line of in the picture of curves: its name, or the student's method.
        is_student: else a teacher.
        arch: timm name.
        size: side of its images in pixels; None where only the record is here, not the model.
        parameters: of the whole network; None as for `size`.
        epochs: that it ran.
        selected: epoch that was kept, counted from 1.
        val_accuracy, val_macro_f1: of that epoch.
        memory_mb: 10^6 bytes that weights, gradients, the optimiser and a batch's activations take,
            reckoned from shapes; None as for `size`.
        seconds, images_per_second: of the whole training; None where another machine ran it.
        curve: macro-F1 on val rows after each epoch that was scored, by epoch counted from 1.
    """

    name: str
    line: str
    is_student: bool
    arch: str
    size: int | None
    parameters: int | None
    epochs: int
    selected: int
    val_accuracy: float
    val_macro_f1: float
    memory_mb: float | None
    seconds: float | None
    images_per_second: float | None
    curve: dict[int, float]


def trainings(scope: ReportScope, data: Path) -> list[Training]:
    """All of a run, stage A of a teacher before stage B.

    Raises:
        ArtifactError: a record is missing, or it or a model is damaged.
    """
    return [_training(name, line, folder) for name, line, folder in _folders(scope, data)]


def curves_picture(found: list[Training], title: str) -> str:
    """Val macro-F1 over epochs as an SVG file, a line a training, or the mean of a method's."""
    points = pd.DataFrame(
        [
            {"model": one.line, "epoch": epoch, "macro_f1": value}
            for one in found
            for epoch, value in one.curve.items()
        ]
    )
    means = points.groupby(["model", "epoch"], sort=False)["macro_f1"].mean().round(6)
    return draw_file(
        "lines_by_model",
        means.reset_index().to_dict("records"),
        title,
        x="epoch",
        x_label="epoch",
        y="macro_f1",
        y_label="macro-F1 on val rows",
    )


def _folders(scope: ReportScope, data: Path) -> Iterator[tuple[str, str, Path]]:
    """Name of each training, line in the picture, and folder."""
    for tag in scope.trained:
        stages = ("a", "b") if scope.stages.get(tag, "a") == "b" else ("a",)
        for stage in stages:
            name = tag if stages == ("a",) else f"{tag} {stage.upper()}"
            yield name, name, data / "teachers" / tag / stage
    for method in scope.methods:
        for key in scope.runs(method):
            yield key, method, data / "students" / key


def _training(name: str, line: str, folder: Path) -> Training:
    model, summary = folder / "model", read_json(folder / "record/summary.json")
    card = read_card(model) if (model / HEADER_FILE).is_file() else None
    network = None if card is None else build_network(card)
    history = read_history(folder / "record").dropna(subset=["val_macro_f1"])
    log = folder / LOG / "environment.json"
    speed = read_json(log) if log.is_file() else {}
    return Training(
        name=name,
        line=line,
        is_student=folder.parent.name == "students",
        arch=summary["arch"],
        size=None if card is None else card.preprocessing.size,
        parameters=None if network is None else sum(one.numel() for one in network.parameters()),
        epochs=summary["epochs"],
        selected=summary["selected_epoch"] + 1,
        val_accuracy=summary["val"]["accuracy"],
        val_macro_f1=summary["val"]["macro_f1"],
        memory_mb=None if card is None or network is None else _memory_mb(card, network),
        seconds=speed.get("seconds"),
        images_per_second=speed.get("images_per_second"),
        curve={
            int(epoch) + 1: float(value)
            for epoch, value in zip(history["epoch"], history["val_macro_f1"], strict=True)
        },
    )


def _memory_mb(card: ModelCard, network: nn.Module) -> float:
    model = StudentTrainOptions if card.kind == "student" else TeacherTrainOptions
    options = model.model_validate(card.budget["schedule"] | card.budget["tuned"])
    freeze(network, options.trainable)
    return training_bytes(network, card.preprocessing.size, options) / _MEGABYTE
