"""Section `clean` of params.yaml."""

from typing import Literal

from pydantic import Field

from fer_core.params import Section

__all__ = ["CleanOptions"]


class CleanOptions(Section):
    """How raw data become faces.

    Attributes:
        allow_undecodable: so many images of a data set may fail to decode; each is listed by name.
        max_pixels: an image whose header announces more is refused before it is decoded.
        non_faces: "drop" or "keep" flagged rows (blank frames, text); applied by the manifest.
        ferplus_mode: how FERPlus votes become a label: "majority" or "probability".
        expw_min_confidence: ExpW faces whose box has less (0 to 100) are excluded.
        expw_pad_ratio: share of the box's width and height that is added on every side before the crop.
        jpeg_quality: of re-encoded crops, 1 to 100.
    """

    allow_undecodable: int = Field(ge=0)
    max_pixels: int = Field(ge=1)
    non_faces: Literal["drop", "keep"]
    ferplus_mode: Literal["majority", "probability"]
    expw_min_confidence: float = Field(ge=0, le=100)
    expw_pad_ratio: float = Field(ge=0, le=2)
    jpeg_quality: int = Field(ge=1, le=100)
