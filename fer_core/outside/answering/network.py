"""A network from elsewhere, run by onnxruntime on the CPU: its answers do not depend on which
accelerator a machine has.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fer_core.base.errors import ModelError
from fer_core.base.labels import CLASSES
from fer_core.outside.described.options import OutsideEntry, OutsideInput
from fer_core.pixels.opencv import cv2
from fer_core.predict.onnx_runtime import ONNX_ERRORS, onnxruntime

__all__ = ["LEAST", "OutsideNetwork", "log_probabilities"]

LEAST = 1e-12
"""Probabilities below it count as it: their logarithm must be finite."""
_BATCH = 64
_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_PROVIDERS = ["CPUExecutionProvider"]
_COLUMNS = {"rgb": None, "bgr": cv2.COLOR_RGB2BGR, "grey": cv2.COLOR_RGB2GRAY}


class OutsideNetwork:
    """The network, ready to answer.

    Args:
        path: its ONNX file.
        entry: of section `teachers`, with what it takes and what its outputs mean.
        threads: of one operation; 0 takes the machine's.

    Raises:
        ModelError: the file is no ONNX network, or its input or output is another than the entry
            says.
    """

    def __init__(self, path: Path, entry: OutsideEntry, threads: int) -> None:
        assert entry.preprocessing is not None and entry.classes is not None
        self._path, self._entry, self._takes = path, entry, entry.preprocessing
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=_PROVIDERS)
        except ONNX_ERRORS as error:
            raise ModelError(
                "This is no ONNX network that can be run.",
                where=path,
                found=error,
                remedy=f"check teachers.{{TAG}}.onnx: {entry.onnx}",
            ) from error
        self._input, self._type, self._step = self._checked_input()
        self._output = self._chosen("output", self._session.get_outputs(), self._takes.output, True)
        columns = {name: place for place, name in enumerate(entry.classes) if name is not None}
        self._columns = [columns[name] for name in CLASSES]

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """Logits in canonical class order, or log-probabilities where it gives probabilities.

        Args:
            pictures: RGB, uint8 [n, side, side, 3].

        Returns:
            float32 [n, 7].

        Raises:
            ModelError: an answer that is not finite or no probability, of another length than
                `classes`, or onnxruntime fails.
        """
        return np.concatenate(list(self._answers(pictures)))

    def _answers(self, pictures: np.ndarray) -> Iterator[np.ndarray]:
        step = self._step or _BATCH
        for start in range(0, len(pictures), step):
            some = prepared(pictures[start : start + step], self._takes).astype(self._type)
            count = len(some)
            if self._step and count < step:  # a fixed batch: filled with copies of the last
                some = np.concatenate([some, np.repeat(some[-1:], step - count, axis=0)])
            try:
                found = self._session.run([self._output], {self._input: some})[0]
            except ONNX_ERRORS as error:
                raise ModelError(
                    "This network cannot be run.", where=self._path, found=error
                ) from error
            yield self._in_order(np.asarray(found, dtype=np.float32)[:count])

    def _in_order(self, found: np.ndarray) -> np.ndarray:
        rows = found.reshape(len(found), -1)
        stated = self._entry.classes or ()
        if rows.shape[1] != len(stated):
            raise ModelError(
                "This network has not as many outputs as are named.",
                where=self._path,
                found=rows.shape[1],
                expected=f"{len(stated)}, as in classes of its entry in teachers",
                remedy="name every output in classes, with null for those to drop",
            )
        rows = rows[:, self._columns]
        if not np.isfinite(rows).all():
            raise ModelError("An answer of this network is not finite.", where=self._path)
        if self._entry.answers == "logits":
            return rows
        return log_probabilities(rows, self._path).astype(np.float32)

    def _checked_input(self) -> tuple[str, Any, int]:
        """Name and type of the input, and its batch where that is fixed, else 0."""
        inputs = {one.name: one for one in self._session.get_inputs()}
        name = self._chosen("input", list(inputs.values()), self._takes.input, False)
        kind, shape, takes = inputs[name].type, inputs[name].shape, self._takes
        channels = 1 if takes.colour == "grey" else 3
        sides = [takes.side, takes.side]
        expected = [channels, *sides] if takes.layout == "nchw" else [*sides, channels]
        fits = len(shape) == 4 and all(
            not isinstance(found, int) or found == wanted
            for found, wanted in zip(shape[1:], expected, strict=True)
        )
        if not fits or kind not in _TYPES:
            raise ModelError(
                "The input of this network is another than its preprocessing says.",
                where=f"{self._path}: {name}",
                found=f"{kind} {shape}",
                expected=f"{', '.join(_TYPES)} of [N, {', '.join(map(str, expected))}]",
                remedy="correct side, colour or layout under preprocessing of its entry",
            )
        return name, _TYPES[kind], shape[0] if isinstance(shape[0], int) else 0

    def _chosen(self, what: str, there: list[Any], asked: str | None, first: bool) -> str:
        """Name of an input or output: the one that is asked for, else the only or first one."""
        names = [one.name for one in there]
        if asked is None and (len(names) == 1 or first):
            return str(names[0])
        if asked is None or asked not in names:
            raise ModelError(
                f"There is no such {what} of this network.",
                where=self._path,
                found=asked or f"no name for one of {len(names)}",
                expected=", ".join(names),
                remedy=f"name it as preprocessing.{what} of its entry in teachers",
            )
        return asked


def prepared(pictures: np.ndarray, takes: OutsideInput) -> np.ndarray:
    """What the network takes, float32, of RGB pictures, uint8 [n, side, side, 3]."""
    if (code := _COLUMNS[takes.colour]) is not None:
        pictures = np.stack([cv2.cvtColor(picture, code) for picture in pictures])
    if takes.colour == "grey":
        pictures = pictures[..., None]
    mean, std = (np.array(values, dtype=np.float32) for values in (takes.mean, takes.std))
    with np.errstate(over="ignore"):  # an answer that is not finite is refused
        scaled = (pictures.astype(np.float32) / np.float32(takes.scale) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if takes.layout == "nchw" else scaled)


def log_probabilities(found: np.ndarray, where: object) -> np.ndarray:
    """Logarithms of probabilities [n, 7], of none below `LEAST`.

    Raises:
        ModelError: a number that is no probability.
    """
    wrong = np.argwhere((found < -1e-6) | (found > 1 + 1e-3))
    if len(wrong):
        row, column = wrong[0]
        raise ModelError(
            "This is no probability.",
            where=f"{where}: answer {row}, {CLASSES[column]}",
            found=float(found[row, column]),
            expected="0 to 1",
            remedy="state `answers: logits` in its entry in teachers if these are logits",
        )
    return np.log(np.maximum(found, LEAST))
