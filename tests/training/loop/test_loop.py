from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fer_core.base.errors import TrainingError
from fer_core.dataset.pack.pack import Pack
from fer_core.images.bank import ImageBank
from fer_core.images.views import student_view, teacher_view
from fer_core.models.initial.options import ArcFaceOptions
from fer_core.models.networks.arcface import ArcFaceNetwork
from fer_core.models.networks.backbone import build_classifier
from fer_core.training.loop.batches import TrainingData
from fer_core.training.loop.interruption import open_scratch
from fer_core.training.loop.loop import train
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.scores import validate
from fer_core.training.losses.ce import CE
from fer_core.training.losses.kd import KD
from fer_core.training.students.loss import Loss
from fer_core.training.students.student import StudentTask
from fer_core.training.students.terms import Auxiliary
from fer_core.training.teachers.teacher import TeacherTask
from tests.tiny import ARCH, PREPROCESSING, SIDE, TRAINING, VIEWS, dev_splits, write_half

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("pack") / "dev"
    write_half(folder, dev_splits(train=84, val=28, calib=7), seed=1)
    pack = Pack.open(folder)
    rows = pack.rows.split("train", "val")
    bank = ImageBank(pack, rows, PREPROCESSING, VIEWS, 1, CPU)
    return TrainingData(bank, pack.rows.labels, pack.rows.split("train"), pack.rows.split("val"))


PLAIN = CE(label_smoothing=0.0)
DISTILLED = KD(temperature=2.0, alpha=0.7)


def student(loss: Loss = PLAIN, targets: Tensor | None = None) -> StudentTask:
    torch.manual_seed(0)
    return StudentTask(
        build_classifier(ARCH, SIDE),
        loss,
        targets,
        lambda epoch: student_view(epoch, VIEWS.count),
    )


def run(task: object, data: TrainingData, folder: Path, options: TrainOptions = TRAINING):  # type: ignore[no-untyped-def]
    with open_scratch(folder, {}) as scratch:
        return train(task, data, options, 1, scratch, CPU)  # type: ignore[arg-type]


def test_a_student_learns_colours(data: TrainingData, tmp_path: Path) -> None:
    result = run(student(), data, tmp_path)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert max(epoch["val_macro_f1"] for epoch in result.history) > 0.5
    assert result.steps == 4 * 6


def test_the_selected_epoch_is_the_first_with_the_best_val_score_and_its_weights_are_kept(
    data: TrainingData, tmp_path: Path
) -> None:
    task = student()
    result = run(task, data, tmp_path)
    scores = [epoch["val_macro_f1"] for epoch in result.history]
    assert result.selected_epoch == int(np.argmax(scores))
    task.network.load_state_dict(result.weights)
    assert validate(task, data, 0, "fp32", CPU)["macro_f1"] == pytest.approx(max(scores), abs=1e-9)


def options(**changes: object) -> TrainOptions:
    return TrainOptions.model_validate(TRAINING.model_dump() | changes)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(("name", "sign"), [("accuracy", 1), ("nll", -1)])
def test_the_selected_epoch_is_best_in_what_is_asked_for(
    data: TrainingData, tmp_path: Path, name: str, sign: int
) -> None:
    result = run(student(), data, tmp_path, options(select_by=name))
    scores = [sign * epoch[f"val_{name}"] for epoch in result.history]
    assert result.selected_epoch == int(np.argmax(scores))


def test_looking_at_val_rows_less_often_changes_nothing_but_what_can_be_selected(
    data: TrainingData, tmp_path: Path
) -> None:
    often, seldom = student(), student()
    every = run(often, data, tmp_path / "often")
    result = run(seldom, data, tmp_path / "seldom", options(eval_every=3))
    assert ["val_nll" in epoch for epoch in result.history] == [False, False, True, True]
    assert result.history[2:] == every.history[2:]
    assert result.selected_epoch in (2, 3)
    assert same(often.network.state_dict(), seldom.network.state_dict())


def test_kept_epochs_are_scored_at_the_end_as_if_they_had_been_looked_at(
    data: TrainingData, tmp_path: Path
) -> None:
    averaged = {"ema": 0.5, "lr": 0.02}
    every = run(student(), data, tmp_path / "every", options(**averaged))
    kept = options(eval_every=4, keep_checkpoints=3, **averaged)
    result = run(student(), data, tmp_path / "kept", kept)
    assert result.swept == [1, 2]
    assert "val_nll" not in result.history[0]
    for one, other in zip(result.history[1:], every.history[1:], strict=True):
        assert one == pytest.approx(other)
    scores = [epoch["val_macro_f1"] for epoch in every.history[1:]]
    assert result.selected_epoch == 1 + int(np.argmax(scores))
    if result.selected_epoch == every.selected_epoch:
        assert same(result.weights, every.weights)


def test_states_are_saved_as_often_as_asked_for_and_after_the_last_epoch(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr(
        "fer_core.training.loop.interruption.Scratch.save",
        lambda self, state: saved.append(len(state["history"])),
    )
    run(student(), data, tmp_path, options(checkpoint_every=3))
    assert saved == [3, 4]


def test_a_quick_trial_takes_some_steps_of_each_epoch(data: TrainingData, tmp_path: Path) -> None:
    result = run(student(), data, tmp_path, options(max_train_batches=2))
    assert result.steps == 4 * 2
    assert result.history[0]["distinct_share"] == pytest.approx(28 / 84)


@pytest.mark.parametrize(
    ("part", "moved"),
    [
        ("head", ["fc."]),
        ("norms", ["fc.", "bn", "conv1.1.", "conv1.4.", "downsample.2."]),
        ("affine", ["bn", "conv1.1.", "conv1.4.", "downsample.2."]),
        ("last", ["fc.", "layer4.0."]),
    ],
)
def test_only_the_part_asked_for_learns_and_the_rest_keeps_its_statistics_too(
    data: TrainingData, tmp_path: Path, part: str, moved: list[str]
) -> None:
    task = student()
    before = {name: tensor.clone() for name, tensor in task.network.state_dict().items()}
    run(task, data, tmp_path, options(epochs=2, trainable=part))
    changed = {
        name
        for name, tensor in task.network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed
    assert all(any(text in name for text in moved) for name in changed), sorted(changed)
    assert all(any(text in name for name in changed) for text in moved), sorted(changed)
    assert part != "affine" or not any("running" in name for name in changed)


def test_a_part_that_a_network_does_not_have_is_refused(data: TrainingData, tmp_path: Path) -> None:
    network = build_classifier("vgg11", SIDE)
    task = StudentTask(network, PLAIN, None, lambda epoch: 1)
    with pytest.raises(TrainingError, match="no such part"):
        run(task, data, tmp_path, options(trainable="norms"))


def test_students_walk_through_the_stored_views_and_teachers_never_do(
    data: TrainingData, tmp_path: Path
) -> None:
    assert [epoch["view"] for epoch in run(student(), data, tmp_path / "s").history] == [1, 2, 1, 2]
    arcface = ArcFaceOptions(margin=0.2, scale=16.0, warmup_epochs=1, ramp_end=2)
    network = ArcFaceNetwork(ARCH, SIDE, 16, 0.1, 16.0)
    result = run(TeacherTask(network, arcface, teacher_view, None, CPU), data, tmp_path / "t")
    assert min(epoch["view"] for epoch in result.history) > 64
    assert [epoch["phase"] for epoch in result.history] == [
        "plain",
        "arcface",
        "arcface",
        "arcface",
    ]
    assert result.selected_epoch >= 1, "the angular head is untrained during the warm-up"


def test_distillation_uses_the_targets_of_the_view_shown(
    data: TrainingData, tmp_path: Path
) -> None:
    """Targets that are right in view 1 and NaN in view 2: the run must fail in the second epoch,
    not before.
    """
    targets = torch.zeros(len(data.labels), VIEWS.count + 1, 7)
    targets[:, 2] = torch.nan
    with pytest.raises(TrainingError, match="epoch 1"):
        run(student(DISTILLED, targets), data, tmp_path)


def test_rows_without_a_target_cannot_go_unnoticed(data: TrainingData, tmp_path: Path) -> None:
    targets = torch.zeros(len(data.labels), VIEWS.count + 1, 7)
    targets[data.train[5]] = torch.nan
    with pytest.raises(TrainingError, match="not finite"):
        run(student(DISTILLED, targets), data, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(data: TrainingData, tmp_path: Path) -> None:
    task = student()
    with torch.no_grad():
        next(task.network.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        run(task, data, tmp_path)


@pytest.mark.parametrize("name", ["train", "val"])
def test_an_empty_set_is_an_error(data: TrainingData, tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=f"{name} rows"):
        run(student(), replace(data, **{name: np.array([], dtype=np.int64)}), tmp_path)


def test_a_teacher_that_never_leaves_its_warmup_is_an_error(
    data: TrainingData, tmp_path: Path
) -> None:
    arcface = ArcFaceOptions(margin=0.2, scale=16.0, warmup_epochs=4, ramp_end=9)
    task = TeacherTask(ArcFaceNetwork(ARCH, SIDE, 16, 0.1, 16.0), arcface, teacher_view, None, CPU)
    with pytest.raises(TrainingError, match="warmup_epochs"):
        run(task, data, tmp_path)


def test_averaged_weights_are_what_is_evaluated_selected_and_saved(
    data: TrainingData, tmp_path: Path
) -> None:
    task = student()
    plain, averaged = (
        run(student(), data, tmp_path / "p"),
        run(task, data, tmp_path / "a", TRAINING.model_copy(update={"ema": 0.7})),
    )
    for name, same in (("train_loss", True), ("val_nll", False)):
        assert (
            [epoch[name] for epoch in plain.history] == [epoch[name] for epoch in averaged.history]
        ) is same, name
    trained = task.network.state_dict()
    assert any(
        not torch.equal(tensor, trained[name]) for name, tensor in averaged.weights.items()
    ), "training itself uses no average"
    task.network.load_state_dict(averaged.weights)
    assert validate(task, data, 0, "fp32", CPU)["nll"] == pytest.approx(
        averaged.history[averaged.selected_epoch]["val_nll"], abs=1e-9
    )


def test_mixup_with_stored_targets_is_refused_before_anything_is_trained(
    data: TrainingData, tmp_path: Path
) -> None:
    targets = torch.zeros(len(data.labels), VIEWS.count + 1, 7)
    with pytest.raises(TrainingError, match="stored targets are of plain images"):
        run(student(DISTILLED, targets), data, tmp_path, TRAINING.model_copy(update={"mixup": 0.2}))


@pytest.mark.parametrize(
    "change",
    [
        {"balance": "batches"},
        {"grad_clip": 0.5},
        {"precision": "bf16"},
        {"mixup": 0.4},
        {"accumulation": 2},
        {"batch_norm_group": 7},
    ],
)
def test_options_change_the_run(
    data: TrainingData, tmp_path: Path, change: dict[str, object]
) -> None:
    plain = run(student(), data, tmp_path / "plain", TRAINING.model_copy(update={"epochs": 2}))
    other = run(
        student(), data, tmp_path / "other", TRAINING.model_copy(update={"epochs": 2, **change})
    )
    assert plain.history[-1]["train_loss"] != other.history[-1]["train_loss"]


class Tally(nn.Module):
    """Counts what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(7))
        self.shown = 0

    def forward(self, images: Tensor) -> Tensor:
        self.shown += len(images) if self.training else 0
        return images.mean(dim=(1, 2, 3))[:, None] * 0 + self.weight


def test_every_training_row_is_shown_once_an_epoch(data: TrainingData, tmp_path: Path) -> None:
    network = Tally()
    task = StudentTask(network, CE(label_smoothing=0.0), None, lambda epoch: 1)
    result = run(task, data, tmp_path)
    assert network.shown == TRAINING.epochs * len(data.train)
    assert {epoch["distinct_share"] for epoch in result.history} == {1.0}


def with_terms(data: TrainingData, stop_at: int | None = None) -> StudentTask:
    """A student with class prototypes, negative learning and locality; it breaks off before the
    epoch `stop_at`.
    """

    def view_of(epoch: int) -> int:
        if epoch == stop_at:
            raise KeyboardInterrupt
        return student_view(epoch, VIEWS.count)

    torch.manual_seed(0)
    network = build_classifier(ARCH, SIDE)
    options = CE(
        label_smoothing=0.0,
        proto={"weight": 0.5},
        negl={"weight": 0.2, "min_entropy": 0.0, "gate": "learnt"},
        lp={"weight": 0.01},
    )
    return StudentTask(
        network,
        options,
        None,
        view_of,
        Auxiliary(options, network, data.labels, data.train, None, seed=1, epochs=4),
    )


def test_what_further_terms_remember_is_resumed_too(data: TrainingData, tmp_path: Path) -> None:
    whole = run(with_terms(data), data, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(with_terms(data, stop_at=2), data, tmp_path / "broken")
    resumed = run(with_terms(data), data, tmp_path / "broken")
    assert resumed.history == whole.history
    assert all(torch.equal(resumed.weights[name], tensor) for name, tensor in whole.weights.items())
    assert {"negl_applied", "proto_cosine", "lp_included"} <= set(whole.history[0])
