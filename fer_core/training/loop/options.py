"""Parameters of a training run, for teachers and students alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fer_core.base.params import PARAMS_FILE, Section, parse_section
from fer_core.models.initial.options import ArcFaceOptions, TeacherHead

__all__ = [
    "Resolution",
    "SavedStudent",
    "StageOptions",
    "StudentTrainOptions",
    "TeacherBOptions",
    "TeacherOptions",
    "TeacherTrainOptions",
    "TrainOptions",
    "Trainable",
    "stage_options",
]

SavedStudent = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$", max_length=200)]
"""Folder of a saved student, within the project; nothing that a shell would read as more."""

Trainable = Literal["all", "head", "norms", "affine", "last"]


def _left_out(default: Any) -> Any:
    """A field that is no part of a model's card while it has its default, so that cards of before
    there was such an option are those of today.
    """
    return Field(default=default, exclude_if=lambda value: value == default)


class TrainOptions(Section):
    """What the sections `student.train` and `teacher.train` share.

    Attributes:
        epochs: passes over the training rows.
        batch: images an optimiser step.
        lr: peak learning rate.
        min_lr: learning rate that the schedule ends at.
        weight_decay: of AdamW (0.05, say), or of SGD (0.0005, say), where it is part of the
            gradient; not applied to norms and biases.
        lr_warmup_epochs: epochs of linear rise.
        balance: class balance: "none", "weights" (effective-number class weights) or "batches"
            (balanced batches).
        grad_clip: greatest norm of the gradient; 0 leaves it as it is.
        precision: "fp32", "bf16" or "fp16" (autocast; fp16 on CUDA only, with a scaled loss).
        ema: decay a step of the weights' running average, which then is what is evaluated, selected
            and saved; 0 uses the weights. It warms up: after n steps the decay is at most
            (1 + n) / (10 + n).
        mixup: alpha of the beta distribution that mixes two images and their labels; 0 mixes none.
            Not with stored targets.
        accumulation: micro-batches that a batch is worked through in, to save memory. The gradients
            are those of the whole batch, except of batch normalisation without `batch_norm_group`,
            of DIST, and of the terms negl, proto and lp, which then are of each micro-batch.
        batch_norm_group: rows that batch normalisation takes its statistics from; 0 takes all that
            pass through at once.
        optimizer: "adamw"; or "sgd", with Nesterov momentum 0.9, whose learning rate is higher
            (0.1, say).
        schedule: after the rise, "cosine" falls along a cosine, "one_cycle" along a line; give
            the latter a rise of a fifth of the epochs or more.
        trainable: what learns: "all"; or, to fine-tune a network that has learnt already, "head"
            (what follows the features), "norms" (layers of normalisation, and the head), "affine"
            (scale and shift of these layers alone, whose running statistics stay) or "last" (the
            last block of the last stage, and what follows it). The rest keeps its weights and
            running statistics.
        select_by: what the selected epoch is best in on val rows: "macro_f1", "accuracy" or "nll".
        eval_every: epochs from one look at the val rows to the next; the last epoch is always
            looked at, and only such epochs can be selected.
        keep_checkpoints: last epochs whose weights are kept until training has ended and those not
            looked at yet are scored too; the record says so (`sweep.json`).
        checkpoint_every: epochs from one saved state to the next; an interrupted run goes on from
            the last one.
        max_train_batches: steps of an epoch at most, for a quick trial; 0 takes all rows.
        max_val_batches: val rows at most, in 256s, for a quick trial; 0 takes all.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=2)]
    lr: Annotated[float, Field(gt=0)]
    min_lr: Annotated[float, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    lr_warmup_epochs: Annotated[float, Field(ge=0)]
    balance: Literal["none", "weights", "batches"]
    grad_clip: Annotated[float, Field(ge=0)]
    precision: Literal["fp32", "bf16", "fp16"]
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    accumulation: Annotated[int, Field(ge=1)] = 1
    batch_norm_group: Annotated[int, Field(ge=0)] = 0
    optimizer: Literal["adamw", "sgd"] = _left_out("adamw")
    schedule: Literal["cosine", "one_cycle"] = _left_out("cosine")
    trainable: Trainable = _left_out("all")
    select_by: Literal["macro_f1", "accuracy", "nll"] = _left_out("macro_f1")
    eval_every: Annotated[int, Field(ge=1)] = _left_out(1)
    keep_checkpoints: Annotated[int, Field(ge=0)] = _left_out(0)
    checkpoint_every: Annotated[int, Field(ge=1)] = _left_out(1)
    max_train_batches: Annotated[int, Field(ge=0)] = _left_out(0)
    max_val_batches: Annotated[int, Field(ge=0)] = _left_out(0)

    @property
    def micro_batch(self) -> int:
        """Images that pass through the network at once."""
        return self.batch // self.accumulation

    def is_due(self, epoch: int, every: int) -> bool:
        """Whether something that happens every so many epochs, and after the last one, happens
        after this one (counted from 0).
        """
        return (epoch + 1) % every == 0 or epoch == self.epochs - 1

    def changed(
        self,
        lr: float | None = None,
        epochs: int | None = None,
        trainable: Trainable | None = None,
    ) -> Self:
        """The same with another peak learning rate, number of epochs or part that learns; None
        leaves what is there.

        Raises:
            ParamsError: the rate is less than `min_lr`, or the epochs do not outlast the warm-up.
        """
        asked = {"lr": lr, "epochs": epochs, "trainable": trainable}
        changes = {name: value for name, value in asked.items() if value is not None}
        key = f"student.train with a method's {' and '.join(changes)}"
        return parse_section(key, self.model_dump() | changes, type(self)) if changes else self

    @model_validator(mode="after")
    def _consistent(self) -> "TrainOptions":
        if self.min_lr > self.lr:
            raise ValueError("min_lr must not exceed lr")
        if self.lr_warmup_epochs >= self.epochs:
            raise ValueError("lr_warmup_epochs must be less than epochs")
        if self.keep_checkpoints > self.epochs:
            raise ValueError("keep_checkpoints must not exceed epochs")
        if self.balance == "batches" and self.batch < 14:
            raise ValueError("balanced batches need a batch of at least 14: two of each class")
        if self.batch % self.accumulation or self.micro_batch < 2:
            raise ValueError("batch must be accumulation times a micro-batch of two or more")
        if self.batch_norm_group == 1 or (
            self.batch_norm_group and self.micro_batch % self.batch_norm_group
        ):
            raise ValueError(
                "batch_norm_group must be 0, or two or more and go into the micro-batch (batch / "
                "accumulation)"
            )
        return self


class StudentTrainOptions(TrainOptions):
    """Training of all students.

    Attributes:
        balance: "none" or "batches"; the loss of a method knows no class weights.
    """

    balance: Literal["none", "batches"]


class TeacherTrainOptions(TrainOptions):
    """Training of all teachers.

    Attributes:
        label_smoothing: share of the label's mass given to all classes alike; a student's is an
            option of its method.
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Resolution(Section):
    """Sections `preprocessing` of `teacher`, `teacher_b` and `student`: what differs from
    `preprocessing`; in all else teachers and students see the same picture.

    Attributes:
        size: side of the network's input in pixels.
    """

    size: Annotated[int, Field(ge=16, le=1024)]


class StageOptions(Section):
    """What both stages of the teachers have.

    Attributes:
        train: optimisation, the same for all teachers; epochs are counted from 0 in each stage.
        arcface: additive angular margin, and how it is brought in.
        set: named set whose train rows are learnt from, such as those of high native resolution;
            null takes all train rows.
        votes: share of people's votes in the target of every row that has some (0.5, say); the rest
            is the label's.
    """

    train: TeacherTrainOptions
    arcface: ArcFaceOptions
    set: str | None = None
    votes: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _selectable(self) -> Self:
        if self.arcface.warmup_epochs >= self.train.epochs:
            raise ValueError(
                "arcface.warmup_epochs must be less than train.epochs: an epoch of the warm-up "
                "cannot be selected"
            )
        return self


class TeacherOptions(StageOptions):
    """Stage A of every teacher's training.

    Attributes:
        head: the embedding before the classifier.
        preprocessing: the image size of this stage, where it is another than that of the section
            `preprocessing`.
        folds: number of parts that the train rows are dealt into, so that for each part a further
            training of every teacher learns from the others and gives the logits of that part; 0
            for none: then a teacher gives logits of rows that it has learnt from.
        mirror: whether teachers answer for a face and its mirror image, averaged: better, at twice
            the cost of their logits. Trainings do not change.
    """

    head: TeacherHead
    preprocessing: Resolution | None = None
    folds: Annotated[int, Field(ge=0, le=20)] = 0
    mirror: bool = False

    @model_validator(mode="after")
    def _no_single_fold(self) -> Self:
        if self.folds == 1:
            raise ValueError("folds must be 0, or 2 or more")
        return self


class TeacherBOptions(StageOptions):
    """Stage B, for the teachers whose entry says `stage: b`; embedding and head are stage A's.

    Attributes:
        preprocessing: the image size of this stage.
    """

    preprocessing: Resolution


def stage_options(
    params: Mapping[str, Any], tag: str, stage: Literal["a", "b"], path: Path = PARAMS_FILE
) -> TeacherOptions | TeacherBOptions:
    """Options of a teacher's stage: those of all teachers, and what differs for this one.

    Args:
        params: all of params.yaml.
        tag: of the teacher.
        stage: of its training.
        path: of the file, for the error text.

    Raises:
        ParamsError: a section is missing, or does not fit, even with what differs.
    """
    section = "teacher" if stage == "a" else "teacher_b"
    values = dict(params.get(section) or {})
    own = params["teachers"][tag].get(stage, {})
    for name, value in own.items():
        common = values.get(name)
        both = isinstance(common, dict) and isinstance(value, dict)
        values[name] = common | value if both else value
    key = f"{section} with teachers.{tag}.{stage}" if own else section
    if stage == "a":
        return parse_section(key, values, TeacherOptions, path)
    return parse_section(key, values, TeacherBOptions, path)
