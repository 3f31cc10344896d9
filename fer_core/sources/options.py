"""Section `clean` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from fer_core.params import Section

__all__ = ["CleanOptions", "CropOptions", "ExpwOptions", "FerplusOptions"]


class CropOptions(Section):
    """Faces that are cut out of a photo are encoded again, as JPEG.

    Attributes:
        quality: 1 to 100.
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
        min_confidence: faces whose box has less (0 to 100) are excluded. A named set can ask for more (`min_confidence`).
        pad_ratio: share of the box's width and height that is added on every side before the crop.
    """

    min_confidence: Annotated[float, Field(ge=0, le=100)] = 0.0
    pad_ratio: Annotated[float, Field(ge=0, le=2)] = 0.0


class CleanOptions(Section):
    """How raw data become faces.

    Attributes:
        allow_undecodable: so many images of a data set may fail to decode; each is listed by name.
        max_pixels: an image whose header announces more is refused before it is decoded.
        crops: encoding of faces cut out of photos.
        ferplus: options of that layout.
        expw: options of that layout.
    """

    allow_undecodable: int = Field(ge=0)
    max_pixels: int = Field(ge=1)
    crops: CropOptions = CropOptions()
    ferplus: FerplusOptions = FerplusOptions()
    expw: ExpwOptions = ExpwOptions()
