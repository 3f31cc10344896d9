"""What each training took, from its model and record."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fer_cli.results.trainings import curves_picture, trainings
from fer_core.models.networks.card import ModelCard
from fer_core.models.networks.saved import build_network, save_model
from fer_core.report.facts.collect import ReportScope
from fer_core.training.loop.footprint import training_bytes
from fer_core.training.loop.options import TeacherTrainOptions
from fer_core.training.loop.progress import TrainingResult
from fer_core.training.loop.record import write_record
from tests.exports import PREPROCESSING

SCOPE = ReportScope(("big",), ("ce",), (1, 2), "ce-1", "all", {"big": "b"})
TRAIN: dict[str, Any] = {"epochs": 2, "batch": 8, "min_lr": 0.0, "weight_decay": 0.1}
TRAIN |= {"lr_warmup_epochs": 1, "balance": "none", "grad_clip": 0.0, "precision": "fp32"}
BUDGET = {"schedule": TRAIN, "tuned": {"lr": 0.1}}
STUDENT = ModelCard(
    "student",
    "test_resnet",
    "linear",
    None,
    None,
    None,
    PREPROCESSING,
    "a",
    "b",
    None,
    0,
    BUDGET,
    {},
)
TEACHER = replace(STUDENT, kind="teacher", head="arcface", embed_dim=16, dropout=0.0, scale=8.0)
FOLDERS = ("teachers/big/a", "teachers/big/b", "students/ce-1", "students/ce-2")


def epoch(number: int, macro_f1: float | None) -> dict[str, Any]:
    scores = dict.fromkeys(("val_accuracy", "val_macro_f1", "val_nll"), macro_f1)
    losses = {"train_loss": 1.0, "train_accuracy": 0.1, "seen_share": 1.0}
    return {"epoch": number, "phase": "x", **losses, **scores}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for place, name in enumerate(FOLDERS):
        card = TEACHER if "teachers" in name else STUDENT
        if name.endswith("/b"):
            card = replace(card, preprocessing=replace(PREPROCESSING, size=64))
        save_model(tmp_path / name / "model", build_network(card), card)
        history = [epoch(0, None), epoch(1, 0.2 + 0.1 * place)]
        timing = [{"seconds": 2.0, "images": 30}] * 2
        result = TrainingResult(history, timing, 1, {}, 4)
        write_record(tmp_path / name, result, card.arch, {})
    return tmp_path


def test_each_training_has_its_size_memory_time_and_curve(data: Path) -> None:
    found = {one.name: one for one in trainings(SCOPE, data)}
    assert list(found) == ["big A", "big B", "ce-1", "ce-2"]
    first, second, student, _ = found.values()
    assert (first.size, second.size, student.size) == (32, 64, 32)
    assert second.memory_mb and first.memory_mb and student.memory_mb
    assert second.memory_mb > first.memory_mb > student.memory_mb > 0
    options = TeacherTrainOptions.model_validate(TRAIN | {"lr": 0.1})
    expected = training_bytes(build_network(TEACHER), 32, options) / 1e6
    assert first.memory_mb == pytest.approx(expected)
    assert (first.seconds, first.images_per_second) == (4.0, 15.0)
    assert (student.epochs, student.selected, student.val_macro_f1) == (2, 2, 0.4)
    weights = build_network(STUDENT).parameters()
    assert student.parameters == sum(one.numel() for one in weights)
    assert student.curve == {2: 0.4}, "no val score after the first epoch"


def test_where_only_records_were_pulled_a_model_is_left_open(data: Path) -> None:
    (data / "students/ce-1/model").rename(data / "elsewhere")
    found = {one.name: one for one in trainings(SCOPE, data)}
    one = found["ce-1"]
    assert (one.size, one.parameters, one.memory_mb) == (None, None, None)
    assert found["ce-1"].arch == "test_resnet" and found["ce-2"].memory_mb


def test_the_picture_has_a_line_for_each_stage_and_the_mean_of_a_method(data: Path) -> None:
    found = trainings(SCOPE, data)
    both = curves_picture(found, "all")
    ElementTree.fromstring(both)
    assert 'aria-label="all"' in both
    for words in ("big A", "big B"):
        assert words in both
    assert "macro-F1 on val rows: 0.45; model: ce" in both, "the mean of 0.4 and 0.5"
