"""Section `adapt` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from fer_core.base.params import Section
from fer_core.training.loop.options import StudentTrainOptions

__all__ = ["AdaptOptions"]


class AdaptOptions(Section):
    """Fine-tuning of the deployed student on webcam sessions; left out, there is none.

    Attributes:
        sources: data sets of sessions, whose train rows are learnt from.
        mode: what learns: "head" (the classifier) or "norms" (scale and shift of the layers of
            normalisation); running statistics stay in both.
        replay: rows of the other data sets for each row of a session, drawn by the seed.
        proximity: weight of half the squared distance to the weights that the student had.
        sets: named test sets that must not become worse; null takes all.
        train: optimisation; `trainable` is left out, because `mode` decides.
    """

    sources: Annotated[list[str], Field(min_length=1)]
    mode: Literal["head", "norms"]
    replay: Annotated[float, Field(ge=0)]
    proximity: Annotated[float, Field(ge=0)]
    sets: Annotated[list[str], Field(min_length=1)] | None = None
    train: StudentTrainOptions

    @field_validator("train")
    @classmethod
    def _mode_decides(cls, train: StudentTrainOptions) -> StudentTrainOptions:
        if train.trainable != "all" or train.mixup:
            raise ValueError("trainable follows from adapt.mode, and mixup is not for adaptation")
        return train

    @property
    def training(self) -> StudentTrainOptions:
        """Options of the run."""
        part: Literal["head", "affine"] = "head" if self.mode == "head" else "affine"
        return self.train.model_copy(update={"trainable": part})
