"""What an embedded sample holds, as its descriptor `data/sources/sample_<name>.json` states it
under "sample".
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

from fer_core.base.errors import ParamsError

__all__ = ["SampleOptions"]


@dataclass(frozen=True)
class SampleOptions:
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

    Raises:
        ParamsError: a value has another type or is out of range; names it.
    """

    seed: int = 1337
    faces: int = 400
    test_share: float = 0.2
    duplicates: int = 3
    contradictions: int = 3
    non_faces: int = 3
    label_noise: float = 0.04

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = (int, float) if field.type is float else int
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ParamsError(
                    "A value has the wrong type.",
                    where=f"sample.{field.name}",
                    found=repr(value),
                    expected=field.type,
                )
        ranges = {
            "seed": self.seed >= 0,
            "faces": 14 <= self.faces <= 99_999,
            "test_share": 0.05 <= self.test_share <= 0.45,
            "duplicates": 0 <= self.duplicates <= self.faces * self.test_share // 2,
            "contradictions": 0 <= self.contradictions <= self.faces // 20 + 1,
            "non_faces": 0 <= self.non_faces <= 200,
            "label_noise": 0 <= self.label_noise <= 0.5,
        }
        for name, fits in ranges.items():
            if not fits:
                raise ParamsError(
                    "A value is out of range.", where=f"sample.{name}", found=getattr(self, name)
                )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SampleOptions":
        """The options a descriptor states; what it leaves out keeps its default.

        Raises:
            ParamsError: a key is unknown, or a value has another type or is out of range; names it.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ParamsError(
                "Unknown key.",
                where=", ".join(f"sample.{name}" for name in unknown),
                expected=", ".join(known),
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
