"""The profile of the original's protocol: what it states, and two optimiser steps of each of its
networks at reduced size.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_core.base.params import Params, read_params
from fer_core.dataset.pack.named_sets import NamedSets, train_set_of
from fer_core.images.views import ViewOptions
from fer_core.models.initial.options import Teachers
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier, build_trunk, load_resized
from fer_core.pipeline.schema.check import check_params
from fer_core.pipeline.schema.methods import check_methods
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.batches import learning_rates
from fer_core.training.loop.options import TeacherBOptions, TeacherOptions, TrainOptions
from fer_core.training.loop.passes import Batch
from fer_core.training.loop.step import Trainer
from fer_core.training.loop.task import Task
from fer_core.training.losses.ce import CE
from fer_core.training.students.student import StudentTask
from fer_core.training.teachers.teacher import TeacherTask

PROFILE = Path(__file__).parents[2] / "profiles" / "protocol.yaml"
CPU = torch.device("cpu")
SMALL = 64
LABELS = torch.tensor([0, 3, 3, 6])


def section(key: str, model: object) -> object:
    return Params.load(PROFILE).section(key, model)


def small(options: TrainOptions) -> TrainOptions:
    """The protocol's training at four images a step, on the CPU."""
    return type(options).model_validate(
        options.model_dump() | {"batch": 4, "balance": "weights", "precision": "fp32"}
    )


def steps(task: Task, options: TrainOptions, size: int) -> list[float]:
    """Losses of two steps on the same four images, both on the angular head where there is one."""
    trainer = Trainer(task, options, 1337, CPU)
    torch.manual_seed(1)
    images = torch.randn(4, 3, size, size).contiguous(memory_format=torch.channels_last)
    task.network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    return [
        float(trainer.step(Batch(np.arange(4), LABELS, 20, step), images, options.lr)[0])
        for step in range(2)
    ]


def test_every_section_is_valid_and_every_named_training_set_is_declared() -> None:
    params = read_params(PROFILE)
    check_params(params, PROFILE)
    check_methods(params, PROFILE)
    sets = section("sets", NamedSets)
    for name in ("hq_train", "stage_b"):
        assert train_set_of(name, sets).chosen.min_confidence == 60  # type: ignore[arg-type]
    assert section("teacher", TeacherOptions).set == "hq_train"  # type: ignore[attr-defined]


def test_the_protocol_is_the_originals() -> None:
    teacher, stage_b = (
        section(key, model)
        for key, model in (("teacher", TeacherOptions), ("teacher_b", TeacherBOptions))
    )
    assert isinstance(teacher, TeacherOptions) and isinstance(stage_b, TeacherBOptions)
    for part in (teacher, stage_b):
        train, arcface = part.train, part.arcface
        assert (
            train.epochs,
            train.batch,
            train.lr,
            train.min_lr,
            train.weight_decay,
            train.lr_warmup_epochs,
        ) == (
            60,
            64,
            3e-4,
            1e-5,
            0.05,
            2,
        )
        assert (
            train.ema,
            train.label_smoothing,
            train.mixup,
            train.grad_clip,
            train.accumulation,
        ) == (0, 0, 0, 0, 1)
        assert (arcface.margin, arcface.scale, arcface.warmup_epochs, arcface.ramp_end) == (
            0.35,
            30,
            5,
            15,
        )
        assert [arcface.margin_at(epoch) for epoch in (4, 5, 10, 15)] == pytest.approx(
            [0, 0, 0.175, 0.35]
        )
    assert (teacher.head.embed_dim, teacher.head.dropout) == (512, 0.2)
    preprocessing = section("preprocessing", Preprocessing)
    assert isinstance(preprocessing, Preprocessing)
    assert (
        preprocessing.size,
        preprocessing.clahe,
        preprocessing.clahe_clip,
        preprocessing.clahe_tile,
    ) == (224, True, 2.0, 8)
    for size in (preprocessing.size, stage_b.preprocessing.size):
        assert replace(preprocessing, size=size).resized == int(1.15 * size), (
            "resize to 1.15 of the side, then centre crop"
        )
    views = section("views", ViewOptions)
    assert isinstance(views, ViewOptions)
    assert (views.scale, views.ratio, views.flip) == ((0.7, 1.0), (0.75, 1.333), 0.5)
    assert (views.brightness, views.contrast, views.saturation, views.hue) == (0.2, 0.2, 0.1, 0.02)
    rates = learning_rates(60 * 10, 2 * 10, teacher.train.lr, teacher.train.min_lr)
    assert (rates.max(), rates[-1]) == (3e-4, pytest.approx(1e-5))


def archs() -> dict[str, str]:
    teachers = section("teachers", Teachers)
    assert isinstance(teachers, dict)
    return {entry.arch: entry.stage for entry in teachers.values()}


def test_all_five_networks_are_there() -> None:
    assert set(archs()) == {
        "resnet18",
        "resnet50",
        "tf_efficientnet_b3",
        "convnext_tiny",
        "vit_base_patch16_384",
    }
    assert set(archs().values()) == {"b"}, (
        "the two-stage policy is for all, although only one ever went through both"
    )


@pytest.mark.parametrize(("profile", "epochs"), [("protocol", [10, 20, 10]), ("chain", [5, 10, 5])])
def test_ce_and_kd_start_from_the_initial_weights_and_dkd_goes_on_from_kd_with_its_loss_as_it_was(
    profile: str, epochs: list[int]
) -> None:
    student = read_params(PROFILE.with_name(f"{profile}.yaml"))["student"]
    assert student["methods"] == ["ce", "kd", "dkd"]
    assert [student[method].get("start") for method in student["methods"]] == [None, None, "kd"]
    assert [
        student[method].get("extra_epochs", student["train"]["epochs"])
        for method in student["methods"]
    ] == epochs
    assert {name: student["kd"][name] for name in ("temperature", "alpha")} == {
        "temperature": 2.0,
        "alpha": 0.5,
    }
    assert {name: student["dkd"][name] for name in ("form", "temperature", "alpha", "beta")} == {
        "form": "original",
        "temperature": 2.0,
        "alpha": 0.5,
        "beta": 4.0,
    }


def test_the_students_training_is_the_originals() -> None:
    train = section("student.train", TrainOptions)
    assert isinstance(train, TrainOptions)
    assert (
        train.batch,
        train.lr,
        train.min_lr,
        train.weight_decay,
        train.lr_warmup_epochs,
        train.balance,
    ) == (
        128,
        1e-3,
        0.0,
        0.05,
        2,
        "none",
    )
    assert section("student.arch", str) == "mobilenetv3_large_100"


@pytest.mark.parametrize("arch", archs())
def test_two_steps_of_every_teacher_lower_its_loss(arch: str) -> None:
    options = section("teacher", TeacherOptions)
    assert isinstance(options, TeacherOptions)
    torch.manual_seed(0)
    network = ArcFaceNetwork(arch, SMALL, options.head.embed_dim, 0.0, options.arcface.scale)
    task = TeacherTask(network, options.arcface, lambda epoch: 1, LABELS.numpy(), CPU)
    first, second = steps(task, small(options.train), SMALL)
    assert np.isfinite(first)
    assert second < first


@pytest.mark.parametrize("arch", ["resnet18", "vit_base_patch16_384"])
def test_stage_b_steps_on_from_stage_as_trunk_at_a_larger_size(arch: str) -> None:
    options = section("teacher_b", TeacherBOptions)
    assert isinstance(options, TeacherBOptions)
    torch.manual_seed(0)
    network = ArcFaceNetwork(arch, 96, 512, 0.0, options.arcface.scale)
    load_resized(build_trunk(arch, SMALL).state_dict(), network.trunk)
    task = TeacherTask(network, options.arcface, lambda epoch: 1, None, CPU)
    first, second = steps(task, small(options.train), 96)
    assert second < first


def test_two_steps_of_the_student_lower_its_loss() -> None:
    torch.manual_seed(0)
    task = StudentTask(
        build_classifier(str(section("student.arch", str)), SMALL),
        section("student.ce", CE),
        None,
        lambda epoch: 1,
    )
    options = section("student.train", TrainOptions)
    assert isinstance(options, TrainOptions)
    first, second = steps(task, small(options), SMALL)
    assert second < first
