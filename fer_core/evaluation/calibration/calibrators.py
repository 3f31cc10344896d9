"""What turns a network's logits into calibrated ones: four maps, each known by its parameters.

All are of the form scale × logit + bias, per class or per source; softmax of the result is the
calibrated probability. An exported file may carry each of them but the temperatures by source: a
file does not know where a face is from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from fer_core.base.errors import ArtifactError
from fer_core.base.labels import CLASSES, check_class_order
from fer_core.evaluation.calibration.calibration import short
from fer_core.evaluation.metrics.options import Method

__all__ = [
    "BiasCorrected",
    "Calibrator",
    "PerSource",
    "Temperature",
    "Vector",
    "calibrator_from_json",
    "calibrator_to_json",
    "rounded",
    "source_of",
]

_REMEDY = "run `fer run` (or `dvc repro`) to make it again"


def source_of(sample_id: str) -> str:
    """The data set that a row is of: its sample_id is `<source>/<relative path>`."""
    return sample_id.split("/", 1)[0]


@dataclass(frozen=True)
class Temperature:
    """z / T (Guo et al. 2017).

    Attributes:
        temperature: T, positive.
    """

    method: ClassVar[Method] = "temperature"
    temperature: float

    def __post_init__(self) -> None:
        _check_positive("temperature", self.temperature)

    def apply(self, logits: np.ndarray, sources: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]; see `Calibrator`."""
        return np.asarray(logits, dtype=np.float64) / self.temperature


@dataclass(frozen=True)
class BiasCorrected:
    """z / T + b (BCTS: Alexandari et al. 2020, "Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation"). May change the predicted class.

    Attributes:
        temperature: T, positive.
        bias: b of each class, in class order; they sum to about 0: a common shift changes no
            probability.
    """

    method: ClassVar[Method] = "bias_corrected"
    temperature: float
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_positive("temperature", self.temperature)

    def apply(self, logits: np.ndarray, sources: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]; see `Calibrator`."""
        return np.asarray(logits, dtype=np.float64) / self.temperature + np.asarray(self.bias)


@dataclass(frozen=True)
class Vector:
    """w_c × z_c + b_c of each class c (vector scaling, Guo et al. 2017). May change the predicted
    class.

    Attributes:
        scale: w of each class, positive, in class order.
        bias: b of each class, in class order; they sum to about 0.
    """

    method: ClassVar[Method] = "vector"
    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_positive("scale", *self.scale)

    @property
    def temperature(self) -> float:
        """T of the mean scale, for what knows only temperatures."""
        return len(self.scale) / sum(self.scale)

    def apply(self, logits: np.ndarray, sources: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]; see `Calibrator`."""
        return np.asarray(logits, dtype=np.float64) * np.asarray(self.scale) + np.asarray(self.bias)


@dataclass(frozen=True)
class PerSource:
    """z / T with a temperature of the row's data set.

    Attributes:
        temperature: T of every other source, and of rows whose source is not known.
        temperatures: T of each source that has one of its own.
    """

    method: ClassVar[Method] = "per_source"
    temperature: float
    temperatures: Mapping[str, float]

    def __post_init__(self) -> None:
        _check_positive("temperature", self.temperature, *self.temperatures.values())

    def apply(self, logits: np.ndarray, sources: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated logits, float64 [..., 7]; see `Calibrator`.

        Raises:
            ArtifactError: not one source for each row.
        """
        z = np.asarray(logits, dtype=np.float64)
        if sources is None:
            return z / self.temperature
        if z.ndim < 2 or len(sources) != len(z):
            raise ArtifactError(
                "Temperatures by source need the source of each row.",
                found=len(sources),
                expected=z.shape,
            )
        of_row = np.array([self.temperatures.get(source, self.temperature) for source in sources])
        return z / of_row.reshape(-1, *(1,) * (z.ndim - 1))


Calibrator = Temperature | BiasCorrected | Vector | PerSource
"""`apply(logits, sources)` takes logits [..., 7] and, where they are known, the source of each of
the first axis' rows, and gives calibrated logits, float64 [..., 7], whose softmax is the calibrated
probability."""

_KINDS: dict[str, type[Calibrator]] = {
    kind.method: kind for kind in (Temperature, BiasCorrected, Vector, PerSource)
}


def rounded(calibrator: Calibrator) -> Calibrator:
    """With six significant digits: what is written is what was measured with, on every machine."""
    shorter: dict[str, Any] = {}
    for field in fields(calibrator):
        value = getattr(calibrator, field.name)
        if isinstance(value, float):
            shorter[field.name] = short(value)
        elif isinstance(value, tuple):
            shorter[field.name] = tuple(map(short, value))
        else:
            shorter[field.name] = {name: short(each) for name, each in value.items()}
    return replace(calibrator, **shorter)


def calibrator_to_json(calibrator: Calibrator) -> dict[str, Any]:
    """Its parameters as plain values; those of classes under the class's name."""
    values = {field.name: getattr(calibrator, field.name) for field in fields(calibrator)}
    return {
        name: dict(zip(CLASSES, value, strict=True)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def calibrator_from_json(method: str, values: Mapping[str, Any], where: object) -> Calibrator:
    """The map of a method and its parameters.

    Raises:
        ArtifactError: an unknown method, a parameter missing or too many, one that is not of our
            classes in their order, or a temperature or scale that is not positive.
    """
    if (kind := _KINDS.get(method)) is None:
        raise ArtifactError(
            "There is no such method of calibration.",
            where=where,
            found=method,
            expected=list(_KINDS),
            remedy=_REMEDY,
        )
    names = [field.name for field in fields(kind)]
    if sorted(values) != sorted(names):
        raise ArtifactError(
            f"These are not the parameters of {method}.",
            where=where,
            found=list(values),
            expected=names,
            remedy=_REMEDY,
        )
    parameters = dict(values)
    for name in ("scale", "bias"):
        if name in parameters:
            check_class_order(list(parameters[name]), where)
            parameters[name] = tuple(parameters[name].values())
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"These parameters of {method} calibrate nothing.",
            where=where,
            found=error,
            expected="positive numbers",
            remedy=_REMEDY,
        ) from error


def _check_positive(what: str, *values: float) -> None:
    if wrong := [value for value in values if not 0 < value < math.inf]:
        raise ValueError(f"the {what} {wrong[0]}")
