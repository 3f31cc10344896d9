"""A calibration by class, as an exported file may carry it instead of one temperature."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fer_core.base.files import parse_json
from fer_core.base.labels import N_CLASSES

__all__ = ["ClassCalibration"]

_LEAST, _MOST = (float(one) for one in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
"""What a graph in single precision can hold."""


@dataclass(frozen=True)
class ClassCalibration:
    """scale × logit + bias of each class; softmax of that is the calibrated probability. The
    predicted class may be another than that of the greatest logit.

    Attributes:
        scale: positive, in class order.
        bias: in class order.

    Raises:
        ValueError: not seven numbers of single precision each, or a scale that is not positive.
    """

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("scale", self.scale), ("bias", self.bias)):
            if len(values) != N_CLASSES or not all(
                type(value) in (int, float) and abs(value) <= _MOST for value in values
            ):
                raise ValueError(f"{name} {values!r} is not {N_CLASSES} finite numbers")
        if min(self.scale) < _LEAST:
            raise ValueError(f"a scale of {min(self.scale)} is not above 0")

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]."""
        return np.asarray(logits, dtype=np.float64) * np.array(self.scale) + np.array(self.bias)

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values for JSON."""
        return {"scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_json(cls, text: str) -> "ClassCalibration":
        """The inverse of `to_dict`, from the text of the metadata.

        Raises:
            ValueError: not these values.
        """
        values = parse_json(text)
        if not isinstance(values, Mapping) or set(values) != {"scale", "bias"}:
            raise ValueError("a calibration is scale and bias")
        if not all(isinstance(one, list) for one in values.values()):
            raise ValueError("scale and bias are lists")
        return cls(tuple(values["scale"]), tuple(values["bias"]))
