"""Preprocessing: how an image of any size becomes the network's input, as one value with a hash.

The same value is used by training, logits, evaluation, export and prediction; it is saved with
every model and embedded in every ONNX file. Only numpy and OpenCV are needed, so that a deployed
predictor prepares images with this very code.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from fer_core.base.errors import ParamsError
from fer_core.pixels.opencv import cv2

__all__ = ["Preprocessing"]


@dataclass(frozen=True)
class Preprocessing:
    """Centre square, resize, centre crop, optional CLAHE on L of LAB, then (x/255 - mean) / std in
    the network.

    Attributes:
        size: side of the network's input in pixels.
        crop: share of the resized side that the centre crop keeps, in (0, 1]; 1 / 1.15 is the
            classic evaluation crop.
        clahe: equalise local contrast of the cropped image.
        clahe_clip: OpenCV's clip limit.
        clahe_tile: number of tiles a side.
        mean: three channel means of RGB in [0, 1].
        std: three channel standard deviations.

    Raises:
        ParamsError: a value is out of range; names it.
    """

    size: int
    crop: float
    clahe: bool
    clahe_clip: float
    clahe_tile: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        ranges = {
            "size": (16 <= self.size <= 1024, "16 to 1024 pixels"),
            "crop": (0.5 <= self.crop <= 1, "0.5 to 1"),
            "clahe_clip": (self.clahe_clip > 0, "more than 0"),
            "clahe_tile": (
                1 <= self.clahe_tile <= self.size // 2,
                f"1 to {self.size // 2}, half of size",
            ),
            "std": (min(self.std) > 0, "three numbers greater than 0"),
        }
        for name, (fits, expected) in ranges.items():
            if not fits:
                raise ParamsError(
                    "A value is out of range.",
                    where=f"preprocessing.{name}",
                    found=getattr(self, name),
                    expected=expected,
                    remedy="set it to a value within the range",
                )

    @property
    def resized(self) -> int:
        """Side in pixels before the centre crop; images are kept at this size during training."""
        return round(self.size / self.crop)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`.

        Raises:
            ParamsError: a key is missing or unknown.
        """
        if set(values) != (names := {field.name for field in fields(cls)}):
            raise ParamsError(
                "This preprocessing is of another version.",
                found=sorted(values),
                expected=sorted(names),
            )
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**plain)

    def hash(self) -> str:
        """Hexadecimal SHA-256 of the canonical JSON: equal for equal preprocessing, whatever made
        it.
        """
        return _hash(self.to_dict())

    def hash_at_any_size(self) -> str:
        """The same without the size: equal for networks that see the same part of a picture in the
        same way, however many pixels it has.
        """
        return _hash({name: value for name, value in self.to_dict().items() if name != "size"})

    def square(self, image: np.ndarray) -> np.ndarray:
        """Largest centre square, resized to `resized` (area averaging when shrinking, bilinear when
        growing).

        Args:
            image: RGB, uint8 [H, W, 3].

        Returns:
            uint8 [resized, resized, 3].
        """
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
        if side == self.resized:
            return np.ascontiguousarray(image)
        interpolation = cv2.INTER_AREA if side > self.resized else cv2.INTER_LINEAR
        return cv2.resize(
            np.ascontiguousarray(image), (self.resized, self.resized), interpolation=interpolation
        )

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """The evaluation view of an image.

        Args:
            image: RGB, uint8 [H, W, 3].

        Returns:
            uint8 [size, size, 3], contiguous; mean and std are applied by the network's first step.
        """
        image = self.square(image)
        offset = (self.resized - self.size) // 2
        image = np.ascontiguousarray(
            image[offset : offset + self.size, offset : offset + self.size]
        )
        equaliser = self.equaliser()
        return image if equaliser is None else equaliser(image)

    def equaliser(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """CLAHE on the lightness of an RGB image, uint8 [H, W, 3] to the same; None where it is
        off. Not for several threads at once.
        """
        if not self.clahe:
            return None
        clahe = cv2.createCLAHE(self.clahe_clip, (self.clahe_tile, self.clahe_tile))

        def equalise(image: np.ndarray) -> np.ndarray:
            lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
            cv2.insertChannel(clahe.apply(cv2.extractChannel(lab, 0)), lab, 0)
            return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)

        return equalise


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
