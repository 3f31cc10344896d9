"""The predictor that applications import: an exported file and RGB images in, calibrated class
probabilities out.

Needs only onnxruntime, numpy and OpenCV.

    from fer_core.predict import Predictor

    predictor = Predictor("student.fp32.onnx")
    predictor.predict([image]).labels
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base.errors import ModelError, ParamsError
from fer_core.base.labels import CLASSES, N_CLASSES
from fer_core.predict.calibration import ClassCalibration
from fer_core.predict.images import check_rgb
from fer_core.predict.metadata import INPUT, LOGITS, PROBABILITIES, OnnxMetadata
from fer_core.predict.onnx_runtime import ONNX_ERRORS, onnxruntime
from fer_core.predict.released import check_released

__all__ = ["Predictions", "Predictor", "read_logit_bias"]

_CPU = "CPUExecutionProvider"

Provider = str | tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Predictions:
    """What the network says of N images, in the order in which they were given.

    Attributes:
        probabilities: float32 [N, 7], calibrated, columns in the order of
            `fer_core.base.labels.CLASSES`.
        logits: float32 [N, 7], not calibrated; with the bias, where the predictor has one.
        by_class: of the file, where it carries one: the most probable class may then be another
            than that of the greatest logit.
    """

    probabilities: np.ndarray
    logits: np.ndarray
    by_class: ClassCalibration | None = None

    @classmethod
    def joined(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """Those of several calls of one file, one after the other."""
        none = np.zeros((0, N_CLASSES), dtype=np.float32)
        found = [*parts] or [cls(none, none)]
        return cls(
            np.concatenate([part.probabilities for part in found]),
            np.concatenate([part.logits for part in found]),
            found[0].by_class,
        )

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def finite(self) -> np.ndarray:
        """True for images with an answer, bool [N]; a network may give NaN or infinity."""
        return np.isfinite(self.logits).all(axis=1) & np.isfinite(self.probabilities).all(axis=1)

    def of(self, chosen: np.ndarray) -> "Predictions":
        """Those of some images, by numbers or a mask."""
        return Predictions(self.probabilities[chosen], self.logits[chosen], self.by_class)

    @property
    def ranked(self) -> np.ndarray:
        """What classes are ordered by, [N, 7]: as the probabilities, but never rounded to a tie."""
        return self.logits if self.by_class is None else self.by_class.apply(self.logits)

    @property
    def said(self) -> np.ndarray:
        """Index of the most probable class of each image (the first of equals), int64 [N]."""
        return self.ranked.argmax(axis=1)

    @property
    def labels(self) -> list[str]:
        """The most probable class of each image (the first of equals).

        Raises:
            ModelError: an image has no answer that is finite; `top` and `decide` raise it too.
        """
        self._check()
        return [CLASSES[index] for index in self.said]

    @property
    def confidence(self) -> np.ndarray:
        """Probability of that class, float32 [N]."""
        return self.probabilities.max(axis=1, initial=0)

    def top(self, k: int) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each image with their probabilities, most probable first
        (ties in class order).

        Raises:
            ValueError: k is not in 1 … 7.
        """
        if not 1 <= k <= N_CLASSES:
            raise ValueError(f"k must be in 1 … {N_CLASSES}, not {k}")
        self._check()
        order = np.argsort(-self.ranked, axis=1, kind="stable")[:, :k]
        return [
            [(CLASSES[index], float(row[index])) for index in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]

    def decide(self, threshold: float) -> list[str | None]:
        """The label of each image, or None (abstain) where its confidence is below the
        threshold.
        """
        return [
            label if value >= threshold else None
            for label, value in zip(self.labels, self.confidence, strict=True)
        ]

    def _check(self) -> None:
        if not (finite := self.finite).all():
            raise ModelError(
                "The network gives no finite answer.",
                where=f"image {int(finite.argmin())}",
                found=self.logits[finite.argmin()].tolist(),
                expected="seven finite numbers",
                remedy="use another precision, or a network that was trained to the end",
            )


class Predictor:
    """An exported file, ready to run. Pickled, it opens its file again where it arrives.

    Args:
        path: file written by the `onnx` stage.
        providers: onnxruntime execution providers, first choice first, by name or as a pair of name
            and options; default: the CPU.
        threads: CPU threads of one call; 0 means all physical cores.
        logit_bias: float [7], added to the logits before they are calibrated: probabilities are
            then softmax((logits + bias) / T); see `read_logit_bias`.

    Attributes:
        metadata: what the file says of itself.

    Raises:
        ModelError: no file, not an ONNX model, a model without our metadata, of another
            preprocessing or interface, or the first provider cannot be used here.
        ArtifactError: another class order.
        ValueError: the bias is not seven finite numbers.
    """

    def __init__(
        self,
        path: Path | str,
        providers: Sequence[Provider] | None = None,
        threads: int = 0,
        logit_bias: np.ndarray | None = None,
    ) -> None:
        self._made_from = (path, providers, threads, logit_bias)
        self._bias = None if logit_bias is None else np.asarray(logit_bias, dtype=np.float32)
        if self._bias is not None and (
            self._bias.shape != (N_CLASSES,) or not np.isfinite(self._bias).all()
        ):
            raise ValueError(f"logit_bias must be {N_CLASSES} finite numbers, not {logit_bias}")
        wanted: list[Provider] = list(providers) if providers else [_CPU]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = _open_session(Path(path), options, wanted)
        self.metadata = OnnxMetadata.from_props(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        self._check_interface(path)

    def __reduce__(self) -> tuple[type["Predictor"], tuple[Any, ...]]:
        return Predictor, self._made_from

    def predict(self, images: Sequence[np.ndarray], batch: int = 32) -> Predictions:
        """Prepare images as in training and run the network on them.

        Args:
            images: face crops of any size, RGB, uint8 [H, W, 3].
            batch: images in one call of the network.

        Raises:
            DataError: an image is not uint8 [H, W, 3]; names its place.
            ModelError: onnxruntime fails, or the answer for an image is not finite.
            ValueError: batch is below 1.
        """
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch}")
        found = Predictions.joined(
            self.run(self.prepare(images[start : start + batch], first=start))
            for start in range(0, len(images), batch)
        )
        found._check()
        return found

    def prepare(self, images: Sequence[np.ndarray], first: int = 0) -> np.ndarray:
        """Images as the network takes them, uint8 [N, size, size, 3]; `first` is the number of the
        first one in an error text.
        """
        size = self.metadata.preprocessing.size
        prepared = np.empty((len(images), size, size, 3), dtype=np.uint8)
        for index, image in enumerate(images):
            check_rgb(image, f"image {first + index}")
            prepared[index] = self.metadata.preprocessing.prepare(image)
        return prepared

    def run(self, prepared: np.ndarray) -> Predictions:
        """One call of the network on uint8 [N, size, size, 3]; answers may not be finite.

        Raises:
            ModelError: onnxruntime fails.
        """
        try:
            logits, probabilities = self._session.run([LOGITS, PROBABILITIES], {INPUT: prepared})
        except ONNX_ERRORS as error:
            raise ModelError(
                "onnxruntime cannot run this network.", where=self._made_from[0], found=error
            ) from error
        by_class = self.metadata.by_class
        if self._bias is None:
            return Predictions(probabilities, logits, by_class)
        biased = Predictions(probabilities, logits + self._bias, by_class)
        ranked, divisor = biased.ranked, self.metadata.temperature if by_class is None else 1
        powers = np.exp((ranked - ranked.max(axis=1, keepdims=True)) / np.float32(divisor))
        probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return replace(biased, probabilities=probabilities)

    def _check_interface(self, path: Path | str) -> None:
        size = self.metadata.preprocessing.size
        found = [
            (item.name, item.type, item.shape[1:])
            for item in [*self._session.get_inputs(), *self._session.get_outputs()]
        ]
        logits = [(name, "tensor(float)", [N_CLASSES]) for name in (LOGITS, PROBABILITIES)]
        if found != (expected := [(INPUT, "tensor(uint8)", [size, size, 3]), *logits]):
            raise ModelError(
                "The inputs and outputs of this ONNX file do not fit its metadata.",
                where=path,
                found=found,
                expected=expected,
            )


def _open_session(path: Path, options: Any, providers: list[Provider]) -> Any:
    if not path.is_file():
        raise ModelError(
            "There is no such ONNX file.",
            where=path,
            found="a folder" if path.is_dir() else None,
            remedy="give a file in it, such as student.fp32.onnx"
            if path.is_dir()
            else "run the `onnx` stage, or give another path",
        )
    check_released(path)
    names = [one if isinstance(one, str) else one[0] for one in providers]
    if unknown := set(names) - set(onnxruntime.get_available_providers()):
        raise ModelError(
            "onnxruntime has no such provider here.",
            found=sorted(unknown),
            expected=", ".join(onnxruntime.get_available_providers()),
        )
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except ONNX_ERRORS as error:
        raise ModelError("onnxruntime cannot load this file.", where=path, found=error) from error
    if session.get_providers()[0] != names[0]:
        raise ModelError(
            "onnxruntime fell back to another provider.",
            where=path,
            found=session.get_providers()[0],
            expected=names[0],
            remedy="install what that provider needs, or choose another",
        )
    return session


def read_logit_bias(path: Path) -> np.ndarray:
    """Read a JSON object of the seven class names and what to add to the logit of each.

    With b_c = T · (log π'_c − log π_c) a network trained where class c has share π_c answers for a
    place where it has π'_c (Saerens et al., Neural Computation 2002); T is the exported file's
    temperature, or 1 over the class's scale where the file carries a calibration by class.

    Returns:
        float32 [7], in the order of `fer_core.base.labels.CLASSES`.

    Raises:
        ParamsError: no such file, no JSON object, a class missing or unknown, or a value that is no
            finite number; names the class.
    """
    expected = ", ".join(CLASSES)
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ParamsError("There is no such file of logit biases.", where=path) from error
    except (ValueError, OSError, RecursionError) as error:
        raise ParamsError(
            "This file of logit biases is no JSON.",
            where=path,
            found=error,
            expected=f"an object of {expected}",
        ) from error
    if not isinstance(values, dict) or set(values) != set(CLASSES):
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise ParamsError(
            "Logit biases are one number for each of the seven classes.",
            where=path,
            found=found,
            expected=expected,
            remedy="0 changes nothing",
        )
    for name, value in values.items():
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise ParamsError(
                "A logit bias is no finite number.", where=f"{path}: {name}", found=value
            )
    return np.array([values[name] for name in CLASSES], dtype=np.float32)
