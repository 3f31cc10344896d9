"""Parameters of a training run, for teachers and students alike."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fer_core.params import Section

__all__ = ["TrainOptions"]


class TrainOptions(Section):
    """Sections `teacher.train` and `student.train`.

    Attributes:
        epochs: passes over the training rows.
        batch: images a step.
        lr: peak learning rate of AdamW.
        min_lr: learning rate that the cosine ends at.
        weight_decay: of AdamW; not applied to norms and biases.
        lr_warmup_epochs: epochs of linear rise.
        balance: class balance: "none", "weights" (effective-number class weights) or "batches" (balanced batches).
        grad_clip: greatest norm of the gradient; 0 leaves it as it is.
        precision: "fp32" or "bf16" (autocast).
    """

    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=2)]
    lr: Annotated[float, Field(gt=0)]
    min_lr: Annotated[float, Field(ge=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    lr_warmup_epochs: Annotated[float, Field(ge=0)]
    balance: Literal["none", "weights", "batches"]
    grad_clip: Annotated[float, Field(ge=0)]
    precision: Literal["fp32", "bf16"]

    @model_validator(mode="after")
    def _consistent(self) -> "TrainOptions":
        if self.min_lr > self.lr:
            raise ValueError("min_lr must not exceed lr")
        if self.lr_warmup_epochs >= self.epochs:
            raise ValueError("lr_warmup_epochs must be less than epochs")
        if self.balance == "batches" and self.batch < 14:
            raise ValueError("balanced batches need a batch of at least 14: two of each class")
        return self
