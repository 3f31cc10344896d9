import pytest
from pydantic import ValidationError

from fer_core.base.errors import ParamsError
from fer_core.models.initial.options import ArcFaceOptions, TeacherHead
from fer_core.training.loop.options import (
    StudentTrainOptions,
    TeacherBOptions,
    TeacherOptions,
    TeacherTrainOptions,
    TrainOptions,
    stage_options,
)
from fer_core.training.losses.ce import CE
from fer_core.training.losses.kd import KD

OPTIONS = TrainOptions(
    epochs=3,
    batch=8,
    lr=0.01,
    min_lr=0.001,
    weight_decay=0.0,
    lr_warmup_epochs=1,
    balance="none",
    grad_clip=0.0,
    precision="fp32",
)


def test_methods_own_learning_rate_replaces_that_of_all_and_nothing_else():
    own = KD(temperature=2, alpha=0.5, lr=0.004)
    changed = OPTIONS.changed(own.lr, own.extra_epochs)
    assert changed.lr == 0.004
    assert changed.model_dump() | {"lr": 0.01} == OPTIONS.model_dump()
    assert OPTIONS.changed(CE(label_smoothing=0).lr) is OPTIONS


def test_learning_rate_below_the_least_one_is_refused():
    with pytest.raises(ParamsError, match=r"method's lr.*min_lr must not exceed lr"):
        OPTIONS.changed(0.0005)
    with pytest.raises(ValidationError):
        KD(temperature=2, alpha=0.5, lr=0)


def test_more_kept_checkpoints_than_epochs_are_refused():
    kept = OPTIONS.model_validate(OPTIONS.model_dump() | {"keep_checkpoints": 3})
    with pytest.raises(ValidationError, match="keep_checkpoints must not exceed epochs"):
        TrainOptions.model_validate(kept.model_dump() | {"keep_checkpoints": 4})
    with pytest.raises(ParamsError, match=r"method's epochs.*keep_checkpoints must not exceed"):
        kept.changed(epochs=2)


def test_class_weights_are_refused_for_students_whose_losses_have_none():
    values = OPTIONS.model_dump() | {"batch": 14}
    assert StudentTrainOptions.model_validate(values | {"balance": "batches"}).balance == "batches"
    with pytest.raises(ValidationError, match="balance"):
        StudentTrainOptions.model_validate(values | {"balance": "weights"})


def test_a_run_of_no_extra_epochs_is_refused():
    assert OPTIONS.changed(epochs=5).epochs == 5
    with pytest.raises(ValidationError):
        KD(temperature=2, alpha=0.5, start="ce", extra_epochs=0)
    with pytest.raises(
        ParamsError, match=r"method's epochs.*lr_warmup_epochs must be less than epochs"
    ):
        OPTIONS.changed(epochs=1)


def test_a_teacher_whose_warm_up_takes_all_epochs_is_refused():
    train = TeacherTrainOptions(**OPTIONS.model_dump(), label_smoothing=0.0)
    short, long = (
        ArcFaceOptions(margin=0.3, scale=30, warmup_epochs=epochs, ramp_end=4) for epochs in (2, 3)
    )
    head, size = TeacherHead(embed_dim=16, dropout=0.0), {"size": 32}
    TeacherOptions(train=train, head=head, arcface=short)
    TeacherBOptions(train=train, arcface=short, preprocessing=size)
    with pytest.raises(ValidationError, match="warmup_epochs must be less"):
        TeacherOptions(train=train, head=head, arcface=long)
    with pytest.raises(ValidationError, match="warmup_epochs must be less"):
        TeacherBOptions(train=train, arcface=long, preprocessing=size)


def test_what_is_left_at_a_later_default_is_no_part_of_a_card():
    """So that a run without the option has the card that it had before there was one."""
    assert {"optimizer", "schedule"}.isdisjoint(OPTIONS.model_dump())
    chosen = TrainOptions.model_validate(OPTIONS.model_dump() | {"optimizer": "sgd"})
    assert chosen.model_dump()["optimizer"] == "sgd"


def params_with(own, stage="a"):
    arcface = {"margin": 0.2, "scale": 16.0, "warmup_epochs": 1, "ramp_end": 2}
    common = {"train": OPTIONS.model_dump(), "arcface": arcface}
    head = {"embed_dim": 16, "dropout": 0.1}
    return {
        "teacher": common | {"head": head},
        "teacher_b": common | {"preprocessing": {"size": 96}},
        "teachers": {"one": {"arch": "x", "stage": "b", stage: own}, "other": {"arch": "x"}},
    }


def test_a_teachers_own_options_replace_those_of_all_key_by_key():
    own = {
        "train": {"epochs": 60, "optimizer": "sgd"},
        "head": {"angular": False},
        "votes": 0.5,
        "preprocessing": {"size": 48},
    }
    found = stage_options(params_with(own), "one", "a")
    assert (found.train.epochs, found.train.optimizer, found.train.lr) == (60, "sgd", OPTIONS.lr)
    assert (found.head.angular, found.head.embed_dim, found.votes) == (False, 16, 0.5)
    assert found.preprocessing.size == 48
    other = stage_options(params_with(own), "other", "a")
    assert (other.train.epochs, other.head.angular, other.votes) == (3, True, 0.0)
    b = stage_options(params_with({"preprocessing": {"size": 112}}, "b"), "one", "b")
    assert (b.preprocessing.size, b.train.epochs) == (112, 3)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"train": {"epochs": 0}}, r"teacher with teachers\.one\.a\.train\.epochs"),
        ({"train": {"epoch": 9}}, r"teachers\.one\.a\.train\.epoch:"),
        ({"trian": {}}, r"teachers\.one\.a\.trian"),
        ({"votes": 1.5}, r"teachers\.one\.a\.votes"),
        ({"preprocessing": {"size": 8}}, r"preprocessing\.size"),
    ],
)
def test_a_teachers_own_options_must_fit(own, words):
    with pytest.raises(ParamsError, match=words):
        stage_options(params_with(own), "one", "a")
