"""What an exported ONNX file says of itself, in its `metadata_props`. Written by the export, read
by the predictor.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fer_core.base.errors import ModelError, ParamsError
from fer_core.base.files import parse_json
from fer_core.base.labels import CLASSES, check_class_order
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.predict.calibration import ClassCalibration

__all__ = ["INPUT", "LOGITS", "PROBABILITIES", "OnnxMetadata", "Thresholds"]

INPUT, LOGITS, PROBABILITIES = "image", "logits", "probabilities"

_SCHEMA = "1"
_KEYS = (
    "schema",
    "arch",
    "labels",
    "licence",
    "precision",
    "preprocessing",
    "preprocessing_hash",
    "rows_sha256",
    "source_model_sha256",
    "temperature",
)


@dataclass(frozen=True)
class Thresholds:
    """When the network had better abstain, fitted on calib rows.

    Attributes:
        risk: share of wrong answers, among those given, that is aimed at.
        confidence: below which no label is given for that; None where no threshold reaches it.
        miss: share of faces whose label may be missing from the classes that are kept.
        classes: class -> least probability at which it is kept; 0 for always.
    """

    risk: float
    confidence: float | None
    miss: float
    classes: Mapping[str, float]

    @classmethod
    def from_json(cls, text: str) -> "Thresholds":
        """From the text of the metadata.

        Raises:
            ValueError: not these values.
        """
        values = parse_json(text)
        if not isinstance(values, dict) or set(values) != {"risk", "confidence", "miss", "classes"}:
            raise ValueError("thresholds are risk, confidence, miss and classes")
        of_classes = values["classes"]
        if not isinstance(of_classes, dict) or set(of_classes) != set(CLASSES):
            raise ValueError("thresholds of other classes")
        numbers = [values["risk"], values["miss"], *of_classes.values()]
        numbers += [] if values["confidence"] is None else [values["confidence"]]
        if not all(type(one) in (int, float) and 0 <= one <= 1 for one in numbers):
            raise ValueError("a threshold is no number from 0 to 1")
        return cls(**values)


@dataclass(frozen=True)
class OnnxMetadata:
    """Facts embedded in an exported file.

    Attributes:
        arch: timm name of the network.
        precision: "fp32", "fp16" or "int8".
        preprocessing: what an image must go through before it is given to the file.
        temperature: T of `probabilities` = softmax(`logits` / T) in a file without `by_class`.
        source_model_sha256: hash of the weights that were exported.
        rows_sha256: hash of the rows those weights were trained on.
        licence: terms of use of the weights.
        absent: classes that nobody in the training data has: never answered.
        thresholds: of abstention; None in a file without them.
        by_class: what makes `probabilities` of `logits` instead of the temperature; None in a file
            that carries a temperature.
    """

    arch: str
    precision: str
    preprocessing: Preprocessing
    temperature: float
    source_model_sha256: str
    rows_sha256: str
    licence: str
    absent: tuple[str, ...] = ()
    thresholds: Thresholds | None = None
    by_class: ClassCalibration | None = None

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Logits whose softmax is `probabilities`, float64 [..., 7], of `logits` [..., 7]."""
        if self.by_class is None:
            return np.asarray(logits, dtype=np.float64) / self.temperature
        return self.by_class.apply(logits)

    @property
    def knows_drawn_faces_only(self) -> bool:
        """True for a network that learned from the drawn sample: its answers for people mean
        little. The licence, which follows the training data, says so.
        """
        return "synthetic sample" in self.licence

    def auto_threshold(self, where: object) -> float:
        """Confidence below which the file had better give no label.

        Raises:
            ModelError: the file has no threshold, or calib rows promise its risk at none.
        """
        found = self.thresholds
        if found is None or found.confidence is None:
            raise ModelError(
                "This file has no threshold of its own.",
                where=where,
                found="thresholds fitted to nothing"
                if found is None
                else f"calib rows promise a risk of {found.risk:g} at no threshold",
                remedy="give a number, or export again with another trust.selective.auto",
            )
        return found.confidence

    def to_props(self) -> dict[str, str]:
        """Keys and texts for `metadata_props`, in the order of their names."""
        props = {
            "schema": _SCHEMA,
            "arch": self.arch,
            "labels": json.dumps(list(CLASSES)),
            "licence": self.licence,
            "precision": self.precision,
            "preprocessing": json.dumps(self.preprocessing.to_dict(), sort_keys=True),
            "preprocessing_hash": self.preprocessing.hash(),
            "rows_sha256": self.rows_sha256,
            "source_model_sha256": self.source_model_sha256,
            "temperature": repr(float(self.temperature)),
        }
        if self.absent:
            props["absent"] = json.dumps(list(self.absent))
        if self.thresholds is not None:
            props["thresholds"] = json.dumps(asdict(self.thresholds), sort_keys=True)
        if self.by_class is not None:
            props["calibration"] = json.dumps(self.by_class.to_dict())
        return dict(sorted(props.items()))

    @classmethod
    def from_props(cls, props: Mapping[str, str], where: object) -> "OnnxMetadata":
        """The inverse of `to_props`.

        Raises:
            ModelError: a key is missing, the schema is another, a value is no valid text, or the
                preprocessing is not that of its hash.
            ArtifactError: another class order.
        """
        if missing := [key for key in _KEYS if key not in props]:
            raise ModelError(
                "This ONNX file does not say what it was made for.",
                where=where,
                found=f"no {', '.join(missing)} in its metadata",
                remedy="use a file that the `onnx` stage wrote",
            )
        if props["schema"] != _SCHEMA:
            raise ModelError(
                "The metadata of this ONNX file is of another schema.",
                where=where,
                found=props["schema"],
                expected=_SCHEMA,
            )
        try:
            labels = parse_json(props["labels"])
            absent = tuple(parse_json(props.get("absent", "[]")))
            preprocessing = _preprocessing(parse_json(props["preprocessing"]))
            temperature = float(props["temperature"])
            text, carried = props.get("thresholds"), props.get("calibration")
            thresholds = None if text is None else Thresholds.from_json(text)
            by_class = None if carried is None else ClassCalibration.from_json(carried)
        except (ValueError, TypeError, ParamsError) as error:
            raise ModelError(
                "The metadata of this ONNX file cannot be read.", where=where, found=error
            ) from error
        if not (isinstance(labels, list) and all(isinstance(name, str) for name in labels)):
            raise ModelError(
                "The metadata of this ONNX file cannot be read.",
                where=where,
                found=f"labels {props['labels'][:100]}",
                expected="a list of names",
            )
        check_class_order(labels, where)
        if not {*absent} <= {*CLASSES}:
            raise ModelError(
                "This ONNX file leaves out a class that there is not.", where=where, found=absent
            )
        if preprocessing.hash() != props["preprocessing_hash"]:
            raise ModelError(
                "The preprocessing in this ONNX file is not that of its hash.",
                where=where,
                found=preprocessing.hash(),
                expected=props["preprocessing_hash"],
                remedy="export the model again with this version: images would be prepared in "
                "another way than in training",
            )
        if not (math.isfinite(temperature) and temperature > 0):
            raise ModelError(
                "The temperature in this ONNX file is not above 0.", where=where, found=temperature
            )
        texts = {
            key: props[key]
            for key in ("arch", "precision", "source_model_sha256", "rows_sha256", "licence")
        }
        return cls(
            preprocessing=preprocessing,
            temperature=temperature,
            absent=absent,
            thresholds=thresholds,
            by_class=by_class,
            **texts,
        )


def _preprocessing(values: Any) -> Preprocessing:
    """From plain values of the right types: 40.0 is no size.

    Raises:
        ValueError: a value of another type.
        ParamsError: a key is missing or unknown, or a value is out of range.
    """
    wanted = {"size": int, "clahe_tile": int, "clahe": bool}
    for name, kind in wanted.items():
        if isinstance(values, dict) and type(values.get(name)) is not kind:
            raise ValueError(f"{name} is {values.get(name)!r}, which is no {kind.__name__}")
    for name in ("mean", "std"):
        if isinstance(values, dict) and not _is_three_numbers(values.get(name)):
            raise ValueError(f"{name} is {values.get(name)!r}, which is not three numbers")
    return Preprocessing.from_dict(values)


def _is_three_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(one) in (int, float) and math.isfinite(one) for one in value)
    )
