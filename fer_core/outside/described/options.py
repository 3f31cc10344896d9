"""An entry of section `teachers` that names a teacher from elsewhere: a network or a table of
logits, with what is known of its training data.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from fer_core.base.labels import CLASSES
from fer_core.base.params import Section

__all__ = ["OVERLAPS", "OutsideEntry", "OutsideInput", "Overlap", "is_outside"]

Overlap = Literal["none", "unknown", "part", "all"]
OVERLAPS: tuple[Overlap, ...] = ("none", "unknown", "part", "all")
"""From the least to the greatest doubt of a score."""

_PART = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
File = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
"""A file within the project, as a command line and DVC can name it: no spaces, no `..`."""
Text = Annotated[str, Field(pattern=r"\S")]
Numbers = tuple[float] | tuple[float, float, float]


class OutsideInput(Section):
    """What a network from elsewhere takes: (pixel / scale - mean) / std of pixels 0 to 255.

    Attributes:
        side: of its square input, in pixels.
        colour: of its channels: "rgb", "bgr" or "grey".
        scale: what pixel values are divided by first: 255 gives 0 to 1.
        mean: taken off after that: one number, or one for each channel.
        std: what the rest is divided by: one number, or one for each channel.
        layout: "nchw" (channels first) or "nhwc".
        input: name of the input; needed only where there are several.
        output: name of the output; if left out, the first one.
    """

    side: Annotated[int, Field(ge=16, le=1024)]
    colour: Literal["rgb", "bgr", "grey"] = "rgb"
    scale: Annotated[float, Field(gt=0)] = 255.0
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"
    input: str | None = None
    output: str | None = None

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _of_use(self) -> "OutsideInput":
        if min(self.std) <= 0:
            raise ValueError("std must be greater than 0")
        if self.colour == "grey" and max(len(self.mean), len(self.std)) > 1:
            raise ValueError("a grey input has one mean and one std")
        return self


class OutsideEntry(Section):
    """A teacher from elsewhere.

    Attributes:
        onnx: file of its network, in the project's folder.
        logits: instead of a network, a table of its answers in the project's folder: .parquet or
            .csv with sample_id, perhaps view, and a column for each class.
        preprocessing: what the network takes: side, colour, scale, mean, std, layout, input,
            output.
        classes: what its outputs mean, in their order: each of the seven classes once, null for an
            output that is dropped.
        answers: whether it answers with "logits" or "probabilities".
        views: of a table with a column `view`, the hash of the section `views` that it is of.
        trained_on: what it was trained on, a list of texts, or "unknown".
        overlap: how much of the test rows of each data set (or of a named set) its training data
            hold: "none", "part", "all" or "unknown"; or one of these for all.
    """

    onnx: File | None = None
    logits: File | None = None
    preprocessing: OutsideInput | None = None
    classes: tuple[str | None, ...] | None = None
    answers: Literal["logits", "probabilities"] = "logits"
    views: str | None = None
    trained_on: Annotated[tuple[Text, ...], Field(min_length=1)] | Literal["unknown"]
    overlap: dict[str, Overlap] | Overlap

    @model_validator(mode="after")
    def _whole(self) -> "OutsideEntry":
        if (self.onnx is None) == (self.logits is None):
            raise ValueError("expected either onnx or logits")
        for name in ("preprocessing", "classes"):
            if (getattr(self, name) is None) != (self.onnx is None):
                raise ValueError(f"onnx needs {name}, and logits has none")
        named = [name for name in self.classes or CLASSES if name is not None]
        if sorted(named) != sorted(CLASSES):
            raise ValueError(
                f"classes must hold each of {', '.join(CLASSES)} once, and null for other outputs"
            )
        if self.logits is not None and not self.logits.endswith((".parquet", ".csv")):
            raise ValueError("logits must be a .parquet or .csv file")
        if self.views is not None and self.logits is None:
            raise ValueError("views is of a table of logits")
        return self

    @property
    def file(self) -> str:
        """Its network or table."""
        return self.onnx or self.logits or ""


def is_outside(entry: object) -> bool:
    """Whether an entry of section `teachers` is of a teacher from elsewhere."""
    return isinstance(entry, Mapping) and not {"onnx", "logits"}.isdisjoint(entry)
