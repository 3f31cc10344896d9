"""What an embedded sample holds, as its descriptor `data/sources/sample_<name>.json` states it
under "sample".
"""

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from fer_core.base.params import Section

__all__ = ["SampleOptions"]


class SampleOptions(Section):
    """Counts and shares of one rendered data set.

    The rows of a data set are `faces + duplicates + contradictions + non_faces`.

    Attributes:
        seed: of every random stream; data sets of the same seed and the same domain hold the same
            pictures.
        faces: different pictures of a face.
        test_share: share of `faces` in each test split of the layout; a layout without splits
            ignores it.
        duplicates: train rows whose picture and label are those of a test row (a second photo file
            where there are no splits).
        contradictions: train rows whose picture is that of another train row and whose label is
            not.
        non_faces: rows that show a uniform frame or text on a plain ground.
        label_noise: share of faces whose recorded label is a likely mistake of an annotator.
    """

    model_config = ConfigDict(strict=True)

    seed: Annotated[int, Field(ge=0)] = 1337
    faces: Annotated[int, Field(ge=14, le=99_999)] = 400
    test_share: Annotated[float, Field(ge=0.05, le=0.45)] = 0.2
    duplicates: Annotated[int, Field(ge=0)] = 3
    contradictions: Annotated[int, Field(ge=0)] = 3
    non_faces: Annotated[int, Field(ge=0, le=200)] = 3
    label_noise: Annotated[float, Field(ge=0, le=0.5)] = 0.04

    @field_validator("duplicates", "contradictions")
    @classmethod
    def _enough_faces(cls, count: int, info: ValidationInfo) -> int:
        if "faces" in info.data and "test_share" in info.data:
            faces = info.data["faces"]
            tests = faces * info.data["test_share"]
            most = tests // 2 if info.field_name == "duplicates" else faces // 20 + 1
            if count > most:
                raise ValueError(f"at most {most:g} of so many faces")
        return count
