"""Section `clean` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fer_core.base.labels import CLASSES
from fer_core.base.params import Section

__all__ = [
    "EXCLUDE",
    "AffectnetOptions",
    "CleanOptions",
    "CropOptions",
    "ExpwOptions",
    "FerplusOptions",
    "RafCompoundOptions",
    "SelfLabelOptions",
    "WebcamSessionOptions",
]

EXCLUDE = "exclude"
"""Target of a mapping for what shall not become a face."""


_FIRST_NAMED = {
    1: "Happy",
    2: "Happy",
    3: "Sad",
    4: "Sad",
    5: "Sad",
    6: "Sad",
    7: "Fear",
    8: "Fear",
    9: "Angry",
    10: "Angry",
    11: "Disgust",
}


class CropOptions(Section):
    """Faces that are cut out of a photo are encoded again, as JPEG.

    Attributes:
        quality: of the JPEG file; more keeps more detail and takes more space.
        subsampling: of the colour planes: 444 keeps every pixel's colour, 420 one in four.
    """

    quality: Annotated[int, Field(ge=1, le=100)] = 92
    subsampling: Literal[444, 420] = 444


class FerplusOptions(Section):
    """Layout `ferplus`.

    Attributes:
        mode: how votes become a label: "majority", "probability" or "multi_target".
    """

    mode: Literal["majority", "probability", "multi_target"] = "majority"


class ExpwOptions(Section):
    """Layout `expw`.

    Attributes:
        min_confidence: faces whose box has less (0 to 100) are excluded. A named set can ask for
            more (`min_confidence`).
        pad_ratio: share of the box's width and height that is added on every side before the crop.
    """

    min_confidence: Annotated[float, Field(ge=0, le=100)] = 0.0
    pad_ratio: Annotated[float, Field(ge=0, le=2)] = 0.0


class AffectnetOptions(Section):
    """Layouts `affectnet` and `affectnet_yolo`.

    Attributes:
        pad_ratio: share of the box's width and height that is added on every side before the crop.
    """

    pad_ratio: Annotated[float, Field(ge=0, le=2)] = 0.0


class RafCompoundOptions(Section):
    """Layout `rafdb_compound`.

    Attributes:
        mapping: class of each of the eleven compound emotions, by id, or "exclude". As shipped the
            emotion that is named first.
    """

    mapping: dict[int, str] = _FIRST_NAMED

    @field_validator("mapping")
    @classmethod
    def _complete(cls, mapping: dict[int, str]) -> dict[int, str]:
        if set(mapping) != set(range(1, 12)):
            raise ValueError("every id from 1 to 11 needs a class, and there are no others")
        if unknown := sorted(set(mapping.values()) - {*CLASSES, EXCLUDE}):
            raise ValueError(f"{', '.join(unknown)}: not one of {', '.join(CLASSES)} or {EXCLUDE}")
        return mapping


class SelfLabelOptions(Section):
    """Labels from the network's own answers, for frames of train sessions that nobody labelled.

    Attributes:
        sure: an answer of at least this probability becomes the label.
        unsure: one from this to `sure` says only which classes the face does not show.
        ruled_out: how many, the least probable ones.
    """

    sure: Annotated[float, Field(gt=0, le=1)] = 0.9
    unsure: Annotated[float, Field(gt=0, le=1)] = 0.5
    ruled_out: Annotated[int, Field(ge=1, le=5)] = 2

    @model_validator(mode="after")
    def _ordered(self) -> "SelfLabelOptions":
        if self.unsure > self.sure:
            raise ValueError("unsure must be at most sure")
        return self


class WebcamSessionOptions(Section):
    """Layout `webcam_session`.

    Attributes:
        min_gap: frames from one face to the next at least, because neighbours hardly differ.
        max_per_class: faces of a class that one session gives at most.
        exclusion_s: frames nearer to the first or last frame of their label are left out: nobody
            changes face and label in the same moment.
        self_label: labels of the network's own for frames that nobody labelled; null for none.
    """

    min_gap: Annotated[int, Field(ge=1)] = 10
    max_per_class: Annotated[int, Field(ge=1)] = 300
    exclusion_s: Annotated[float, Field(ge=0)] = 0.25
    self_label: SelfLabelOptions | None = None


class CleanOptions(Section):
    """How raw data become faces.

    Attributes:
        allow_undecodable: so many images of a data set may fail to decode; each is listed by name.
        max_pixels: an image whose header announces more is refused before it is decoded.
        crops: encoding of faces cut out of photos.
        ferplus: options of that layout.
        expw: options of that layout.
        affectnet: options of that layout and of `affectnet_yolo`.
        rafdb_compound: options of that layout.
        webcam_session: options of that layout.
    """

    allow_undecodable: int = Field(ge=0)
    max_pixels: int = Field(ge=1)
    crops: CropOptions = CropOptions()
    ferplus: FerplusOptions = FerplusOptions()
    expw: ExpwOptions = ExpwOptions()
    affectnet: AffectnetOptions = AffectnetOptions()
    rafdb_compound: RafCompoundOptions = RafCompoundOptions()
    webcam_session: WebcamSessionOptions = WebcamSessionOptions()
